import type { GerritEvent } from './event.ts';
import type { GerritTrigger, Layout, Pipeline, ZuulTrigger } from './layout.ts';
import { own } from './own.ts';
import type { SiteConfig, SiteSettings } from './ports.ts';
import { type Quirk } from './quirks.ts';
import { triggerWants } from './trigger.ts';

/**
 * The configuration as the kernel asks for it: lookups made once per configuration, since a busy Gerrit sends thousands of
 * events a second and nearly all of them are nobody's business.
 */

export interface Rules {
  readonly config: SiteConfig;
  readonly layout: Layout;
  readonly settings: SiteSettings;
  readonly pipelines: ReadonlyMap<string, { readonly pipeline: Pipeline; readonly index: number }>;
  /** `connection type` → triggers that name it, in pipeline order. */
  readonly triggers: ReadonlyMap<string, readonly { pipeline: Pipeline; trigger: GerritTrigger }[]>;
  readonly parentEnqueued: readonly { pipeline: Pipeline; trigger: ZuulTrigger }[];
  readonly projectMerged: readonly { pipeline: Pipeline; trigger: ZuulTrigger }[];
  /** Some pipeline pulls in, or is told of, the changes that need a change. */
  readonly dependents: boolean;
  quirk(name: Quirk): boolean;
}

/** Pipeline of jobs that a person runs by hand. */
export const runPipeline = 'run';

export const defaultSettings: SiteSettings = {
  accounts: {},
  gitUrl: '',
  jobNameInReport: true,
  reportTimes: true,
};

const builtinRun: Pipeline = {
  name: runPipeline,
  description: 'Jobs that people started by hand.',
  manager: 'independent',
  source: '',
  precedence: 'high',
  triggers: [],
  require: { status: [], approvals: [] },
  reject: { approvals: [] },
  messages: {
    success: 'Build succeeded.',
    failure: 'Build failed.',
    mergeFailure: 'Merge Failed.',
    footer: '',
  },
  start: [],
  success: [],
  failure: [],
  mergeFailure: [],
  disabled: [],
  dequeueOnNewPatchset: false,
  ignoreDependencies: false,
  window: {
    size: 0,
    floor: 1,
    increaseType: 'linear',
    increaseFactor: 1,
    decreaseType: 'linear',
    decreaseFactor: 1,
  },
  failFast: false,
  supercedes: [],
  queues: [],
};

const compiled = new WeakMap<SiteConfig, Rules>();

export function rulesOf(config: SiteConfig): Rules {
  const known = compiled.get(config);
  if (known !== undefined) return known;
  const rules = compile(config);
  compiled.set(config, rules);
  return rules;
}

function compile(config: SiteConfig): Rules {
  const { layout } = config;
  const hasRun = layout.pipelines.some((pipeline) => pipeline.name === runPipeline);
  const all = hasRun ? layout.pipelines : [...layout.pipelines, builtinRun];
  const triggers = new Map<string, { pipeline: Pipeline; trigger: GerritTrigger }[]>();
  const zuul: { pipeline: Pipeline; trigger: ZuulTrigger }[] = [];
  for (const pipeline of all) {
    for (const trigger of pipeline.triggers) {
      if (trigger.kind === 'zuul') zuul.push({ pipeline, trigger });
      if (trigger.kind !== 'gerrit') continue;
      for (const event of new Set(trigger.events)) {
        const key = `${trigger.connection} ${event}`;
        const list = triggers.get(key) ?? [];
        list.push({ pipeline, trigger });
        triggers.set(key, list);
      }
    }
  }
  const quirks = new Set<string>(layout.quirks);
  const parentEnqueued = zuul.filter(({ trigger }) => trigger.events.includes('parent-change-enqueued'));
  return {
    config,
    layout,
    settings: config.settings ?? defaultSettings,
    pipelines: new Map(all.map((pipeline, index) => [pipeline.name, { pipeline, index }])),
    triggers,
    parentEnqueued,
    projectMerged: zuul.filter(({ trigger }) => trigger.events.includes('project-change-merged')),
    dependents: parentEnqueued.length > 0 || all.some((pipeline) => pipeline.manager === 'dependent'),
    quirk: (name) => quirks.has(name),
  };
}

/** The triggers that want an event by what the event itself says, in pipeline order. */
export function wantedBy(rules: Rules, event: GerritEvent): { pipeline: Pipeline; trigger: GerritTrigger }[] {
  const candidates = rules.triggers.get(`${event.connection} ${event.type}`);
  if (candidates === undefined || event.project === undefined) return [];
  const project = own(rules.layout.projects, event.project);
  if (project === undefined) return [];
  const jobless = rules.quirk('jobless-items');
  const ours = isOwn(rules.settings.accounts, event);
  return candidates.filter(
    ({ pipeline, trigger }) =>
      (jobless || own(project.pipelines, pipeline.name) !== undefined) &&
      !(ours && trigger.comments.length > 0) &&
      triggerWants(trigger, event, rules.layout.quirks, own(rules.settings.known, event.connection)) === true,
  );
}

/** Written by ourselves: a report that quotes `recheck` must not start itself for ever. */
export function isOwn(
  accounts: SiteSettings['accounts'],
  { connection, account }: Pick<GerritEvent, 'connection' | 'account'>,
): boolean {
  const username = account?.username;
  return username !== undefined && (accounts[connection]?.includes(username) ?? false);
}
