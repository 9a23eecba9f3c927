import { RE2JS } from 're2js';
import { STATUSES, type Status } from '../../definition/condition.ts';
import type { Publisher } from '../../definition/publisher.ts';
import type { Component } from '../macros.ts';
import { isDict, isList, pythonText } from '../python.ts';
import { mapBuilders, ownReport } from './builders.ts';
import { mapMail, mapMailExt } from './mail.ts';
import { lookUp, needed, numberOf, tellIdle, textOf, wordOf } from './options.ts';
import { type Report, readFlag, readPatterns } from './report.ts';
import { mapXunit } from './xunit.ts';

export function mapPublisher(part: Component, report: Report): readonly Publisher[] {
  switch (part.name) {
    case 'archive':
      return archive(part, report);
    case 'junit':
      return junit(part, report);
    case 'xunit':
      return mapXunit(part, report);
    case 'scp':
      return scp(part, report);
    case 'postbuildscript':
      return postBuildScript(part, report);
    case 'email':
      return mapMail(part, report);
    case 'email-ext':
      return mapMailExt(part, report);
    case 'text-finder':
      return textFinder(part, report);
    case 'workspace-cleanup':
      // Whatever is to be removed goes with the workspace, which no later build ever sees.
      report.options('publisher', part, CLEANUP);
      return [];
    default: {
      const own = lookUp(report.own.publishers, part.name);
      if (own === undefined) {
        report.unsupported('publisher', part.name, part.at, part);
        return [];
      }
      own(part.value, ownReport(part, report));
      return [{ kind: 'own', name: part.name, options: part.value ?? null }];
    }
  }
}

const CLEANUP = [
  'include',
  'exclude',
  'dirmatch',
  'clean-if',
  'fail-build',
  'clean-parent',
  'disable-deferred-wipeout',
];

const ARCHIVE = [
  'artifacts',
  'excludes',
  'allow-empty',
  'only-if-success',
  'latest-only',
  'fingerprint',
  'default-excludes',
];

function archive(part: Component, report: Report): Publisher[] {
  const options = report.options('publisher', part, ARCHIVE);
  const include = readPatterns(options['artifacts']);
  if (include.length === 0) {
    report.error('part-options', 'The publisher archive needs "artifacts:".', part.at, undefined, part);
    return [];
  }
  tellIdle(part, options, ['latest-only', 'fingerprint'], report);
  return [
    {
      kind: 'archive',
      include,
      exclude: readPatterns(options['excludes']),
      allowEmpty: readFlag(options['allow-empty'], false),
      onlyIfSuccess: readFlag(options['only-if-success'], false),
      ...(readFlag(options['default-excludes'], true) ? {} : { everything: true }),
    },
  ];
}

const JUNIT = ['results', 'allow-empty-results', 'health-scale-factor', 'skip-marking-build-unstable'];
/** Options that only say how Jenkins shows tests. */
const JUNIT_SHOW = [
  'keep-long-stdio',
  'skip-publishing-checks',
  'test-stability',
  'claim-build',
  'measurement-plots',
];

function junit(part: Component, report: Report): Publisher[] {
  const options = report.options('publisher', part, [...JUNIT, ...JUNIT_SHOW]);
  if (needed('publisher', part, options, 'results', report) === undefined) return [];
  tellIdle(part, options, JUNIT_SHOW.slice(2), report);
  return [
    {
      kind: 'junit',
      include: readPatterns(options['results']),
      allowEmpty: readFlag(options['allow-empty-results'], false),
      unstable: !readFlag(options['skip-marking-build-unstable'], false),
      health: numberOf(part, 'health-scale-factor', options['health-scale-factor'], 1, 0, report),
    },
  ];
}

/**
 * Third-party CIs copy their logs to a log server with Jenkins' SCP plugin. Where the site names that server, files go there;
 * where it does not, they go to the folder of the build on our log site, which has the console anyway.
 */
function scp(part: Component, report: Report): Publisher[] {
  const options = report.options('publisher', part, ['site', 'files']);
  const { files } = options;
  if (!isList(files)) {
    report.error('part-options', 'The publisher scp needs a list "files:".', part.at, undefined, part);
    return [];
  }
  const site = textOf(options['site']) ?? '';
  const entries = files.map((file) => scpFile(file, part, report));
  if (report.scpSites.includes(site)) {
    for (const { file } of entries) {
      if (file.target !== '') continue;
      report.error('part-options', 'A file of scp needs "target:".', part.at, undefined, part);
    }
    return [{ kind: 'scp', site, files: entries.map((entry) => entry.file) }];
  }
  return entries.flatMap(({ at, file: { include, target, afterFailure } }) => {
    if (!target.includes('LOG_PATH')) {
      const message = `scp: the site has no host ${JSON.stringify(site)} in "scp-sites:"; files go to the folder of the build on the log site.`;
      report.ignored('ignored-option', message, at, part);
    }
    if (include.length === 0) return [];
    return [{ kind: 'archive', include, exclude: [], allowEmpty: true, onlyIfSuccess: !afterFailure }];
  });
}

const SCP = ['source', 'target', 'copy-console', 'copy-after-failure', 'keep-hierarchy'];

function scpFile(file: unknown, part: Component, report: Report) {
  const inner = part.inside('scp.files', isDict(file) ? file : 'text');
  const options = report.options('publisher', inner, SCP);
  const entry = {
    include: readPatterns(options['source']),
    target: textOf(options['target']) ?? '',
    console: readFlag(options['copy-console'], false),
    afterFailure: readFlag(options['copy-after-failure'], false),
    keepHierarchy: readFlag(options['keep-hierarchy'], false),
  };
  return { file: entry, at: report.placeIn(inner, 'target') };
}

const AFTER = [
  'builders',
  'generic-script',
  'mark-unstable-if-failed',
  'onsuccess',
  'script-only-if-succeeded',
  'onfailure',
  'script-only-if-failed',
  'execute-on',
];
const AFTER_ITEM = ['build-steps', 'file-path', 'role', 'build-on', 'execute-on'];

/** Before version 2 of the plug-in two flags say when, and `builders` are steps; since then each group says it itself. */
function postBuildScript(part: Component, report: Report): Publisher[] {
  const options = report.options('publisher', part, AFTER);
  const flag = (key: string, old: string, fallback: boolean) =>
    readFlag(options[key] ?? options[old], fallback);
  const onSuccess = flag('script-only-if-succeeded', 'onsuccess', true);
  const onFailure = flag('script-only-if-failed', 'onfailure', false);
  const bySwitch: readonly Status[] =
    onSuccess === onFailure
      ? STATUSES
      : onSuccess
        ? ['SUCCESS']
        : ['FAILURE', 'UNSTABLE', 'ABORTED', 'NOT_BUILT'];
  const unstable = readFlag(options['mark-unstable-if-failed'], false);
  const scripts = isList(options['generic-script']) ? options['generic-script'] : [];
  const builders = isList(options['builders']) ? options['builders'] : [];
  const groups: Publisher[] = [];
  for (const item of [...scripts, ...builders.filter(isGroup)]) {
    const plain = !isDict(item);
    const inner = part.inside('postbuildscript', plain ? { 'file-path': pythonText(item) } : item);
    const own = report.options('publisher', inner, AFTER_ITEM);
    const path = textOf(own['file-path']);
    const steps =
      path === undefined
        ? mapBuilders(part, own['build-steps'], report)
        : [{ kind: 'shell' as const, script: scriptFile(path) }];
    const on = isList(own['build-on'])
      ? own['build-on'].map((word) =>
          wordOf('publisher', inner, 'build-on', word, STATUSES, 'SUCCESS', report),
        )
      : plain
        ? bySwitch
        : (['SUCCESS'] as const);
    groups.push({ kind: 'after', on: [...on], steps: [...steps], unstable });
  }
  const direct = builders.filter((item) => !isGroup(item));
  if (direct.length > 0) {
    const steps = mapBuilders(part, direct, report);
    groups.push({ kind: 'after', on: [...bySwitch], steps: [...steps], unstable });
  }
  return groups;
}

function isGroup(item: unknown): boolean {
  return isDict(item) && Object.hasOwn(item, 'build-steps');
}

function scriptFile(path: string): string {
  return `#!/bin/sh\nexec /bin/sh -xe '${path.replaceAll("'", `'\\''`)}'\n`;
}

const FINDER = [
  'regexp',
  'fileset',
  'also-check-console-output',
  'succeed-if-found',
  'unstable-if-found',
  'not-built-if-found',
];

function textFinder(part: Component, report: Report): Publisher[] {
  const options = report.options('publisher', part, FINDER);
  const pattern = needed('publisher', part, options, 'regexp', report);
  if (pattern === undefined) return [];
  try {
    RE2JS.compile(pattern);
  } catch (caught) {
    const why = caught instanceof Error ? caught.message : 'it cannot be read';
    const message = `text-finder: ${JSON.stringify(pattern)} is no pattern: ${why}`;
    report.error('part-options', message, report.placeIn(part, 'regexp'), 'RE2 knows no lookaround.', part);
    return [];
  }
  const is = (key: string) => readFlag(options[key], false);
  const result = is('succeed-if-found')
    ? 'SUCCESS'
    : is('unstable-if-found')
      ? 'UNSTABLE'
      : is('not-built-if-found')
        ? 'NOT_BUILT'
        : 'FAILURE';
  const include = readPatterns(options['fileset']);
  return [{ kind: 'text-finder', pattern, include, console: is('also-check-console-output'), result }];
}
