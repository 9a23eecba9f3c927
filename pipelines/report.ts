import type { ReportAction } from './action.ts';
import type { Change } from './change.ts';
import { pythonFormat } from './format.ts';
import type { Item } from './item.ts';
import type { Pipeline, Reporter } from './layout.ts';
import { type Ending, endMessage, type Phase, startMessage } from './message.ts';
import { changeOf } from './params.ts';
import type { Rules } from './rules.ts';
import { unreachable } from './unreachable.ts';
import { count, type Draft, nowOf, put, siteRow } from './world.ts';

/** Turns the end (or start) of an item into what its reporters say. */

export function reportStart(draft: Draft, rules: Rules, pipeline: Pipeline, item: Item): void {
  send(draft, pipeline, item, pipeline.start, 'start', startMessage(rules, pipeline));
}

/** Sends the final report and answers the ids of the reports that Gerrit must answer. */
export function reportEnd(
  draft: Draft,
  rules: Rules,
  pipeline: Pipeline,
  item: Item,
  ending: Ending,
  disabled: boolean,
): string[] {
  const as = item.run?.reportAs;
  const speaker = as === undefined ? pipeline : (rules.pipelines.get(as)?.pipeline ?? pipeline);
  const text = endMessage(rules, speaker, item, changeOf(draft, item), ending);
  const reporters = disabled ? speaker.disabled : reportersOf(speaker, ending);
  return send(draft, speaker, item, reporters, disabled ? 'disabled' : ending.phase, text);
}

function reportersOf(pipeline: Pipeline, ending: Ending): readonly Reporter[] {
  switch (ending.phase) {
    case 'success':
      return pipeline.success;
    case 'merge-failure':
      return pipeline.mergeFailure;
    case 'failure':
      return pipeline.failure;
  }
  return unreachable(ending.phase);
}

function send(
  draft: Draft,
  pipeline: Pipeline,
  item: Item,
  reporters: readonly Reporter[],
  phase: Phase,
  message: string,
): string[] {
  const asked: string[] = [];
  const change = changeOf(draft, item);
  const site = siteRow(draft.tables).site.slice(0, 6);
  for (const reporter of reporters) {
    const serial = count(draft, 'report');
    if (reporter.driver === 'smtp') {
      draft.actions.push({
        kind: 'mail',
        id: `mail-${site}-${serial}`,
        connection: reporter.connection,
        ...addresses(reporter),
        subject: subjectLine(reporter, item, change),
        message,
      });
    }
    // A ref or a timer has no change to write on.
    if (reporter.driver !== 'gerrit' || change === undefined) continue;
    const id = `report-${site}-${serial}`;
    // One job, run by hand, votes as the pipeline would but never submits.
    const submit = reporter.submit && item.run === undefined;
    const action: ReportAction = {
      kind: 'report',
      id,
      connection: reporter.connection,
      project: change.project,
      branch: change.branch,
      number: change.number,
      patchset: change.patchset,
      revision: change.revision,
      pipeline: pipeline.name,
      phase,
      message,
      labels: { ...reporter.labels },
      submit,
      ...tested(item, change),
    };
    draft.actions.push(action);
    put(draft, 'pending', id, {
      kind: 'report',
      item: item.id,
      record: {
        at: nowOf(draft),
        pipeline: pipeline.name,
        project: change.project,
        change: `${change.number},${change.patchset}`,
        phase,
        message,
        labels: { ...reporter.labels },
        submit,
      },
    });
    asked.push(id);
  }
  return asked;
}

function tested(item: Item, change: Change): Pick<ReportAction, 'tested'> {
  const { merge } = item.set;
  if (merge.phase !== 'merged') return {};
  const base = merge.bases.find((each) => each.project === change.project && each.branch === change.branch);
  if (base === undefined) return {};
  const { commit, tree, onto } = merge;
  return {
    tested: {
      base: base.commit,
      commit,
      ...(tree === undefined ? {} : { tree }),
      ...(onto === undefined ? {} : { onto }),
    },
  };
}

function addresses(reporter: Reporter): { from?: string; to?: string } {
  const { from, to } = reporter.options;
  return {
    ...(typeof from === 'string' ? { from } : {}),
    ...(typeof to === 'string' ? { to } : {}),
  };
}

function subjectLine(reporter: Reporter, item: Item, change: Change | undefined): string {
  const { subject } = item;
  const name =
    subject.kind === 'change'
      ? `${subject.number},${subject.patchset}`
      : subject.kind === 'ref'
        ? `${subject.ref} of ${subject.project}`
        : subject.project;
  const plain = `Report for change ${name}`;
  const pattern = reporter.options.subject;
  if (typeof pattern !== 'string') return plain;
  const text = pattern.replaceAll('{change}', name.replaceAll('{', '{{').replaceAll('}', '}}'));
  const values = { change: { ...subject, ...change } };
  return (pythonFormat(text, values) ?? plain).replaceAll(/[\r\n]+/g, ' ');
}
