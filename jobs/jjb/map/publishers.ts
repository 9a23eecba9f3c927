import type { z } from 'zod';
import type { Publisher } from '../../definition.ts';
import type { Component } from '../macros.ts';
import { isDict, isList, pythonText } from '../python.ts';
import { type Report, readFlag, readPatterns } from './report.ts';

type Publishers = z.infer<typeof Publisher>[];

export function mapPublisher(part: Component, report: Report): Publishers {
  switch (part.name) {
    case 'archive':
      return archive(part, report);
    case 'scp':
      return scp(part, report);
    case 'workspace-cleanup':
      report.ignored(
        'ignored-publisher',
        'The publisher workspace-cleanup is not needed: workspaces are removed.',
        part.at,
        part,
      );
      return [];
    default:
      report.unsupported('publisher', part.name, part.at, part);
      return [];
  }
}

const ARCHIVE = [
  'artifacts',
  'excludes',
  'allow-empty',
  'only-if-success',
  'latest-only',
  'fingerprint',
  'default-excludes',
];

function archive(part: Component, report: Report): Publishers {
  const options = report.options('publisher', part, ARCHIVE);
  const include = readPatterns(options['artifacts']);
  if (include.length === 0) {
    report.error('part-options', 'The publisher archive needs "artifacts:".', part.at, undefined, part);
    return [];
  }
  for (const key of ['latest-only', 'fingerprint']) {
    if (readFlag(options[key], false)) {
      report.ignored(
        'ignored-option',
        `The option archive.${key} has no effect here.`,
        report.placeIn(part, key),
        part,
      );
    }
  }
  return [
    {
      kind: 'archive',
      include,
      exclude: readPatterns(options['excludes']),
      allowEmpty: readFlag(options['allow-empty'], false),
      onlyIfSuccess: readFlag(options['only-if-success'], false),
    },
  ];
}

/**
 * Third-party CIs copy their logs to a log server with Jenkins' SCP plugin. Here every build has its folder on the log
 * site, and the console is always written there; what remains is which files go with it.
 */
function scp(part: Component, report: Report): Publishers {
  const options = report.options('publisher', part, ['site', 'files']);
  const files = options['files'];
  if (!isList(files)) {
    report.error('part-options', 'The publisher scp needs a list "files:".', part.at, undefined, part);
    return [];
  }
  return files.flatMap((file) => scpFile(file, part, report));
}

const SCP = ['source', 'target', 'copy-console', 'copy-after-failure', 'keep-hierarchy'];

function scpFile(file: unknown, part: Component, report: Report): Publishers {
  const inner = part.inside('scp.files', isDict(file) ? file : 'text');
  const options = report.options('publisher', inner, SCP);
  if (!pythonText(options['target'] ?? '').includes('LOG_PATH')) {
    const message = 'The target of scp is not used: files go to the folder of the build on the log site.';
    report.ignored('ignored-option', message, report.placeIn(inner, 'target'), part);
  }
  const include = readPatterns(options['source']);
  if (include.length === 0) return [];
  const onlyIfSuccess = !readFlag(options['copy-after-failure'], false);
  return [{ kind: 'archive', include, exclude: [], allowEmpty: true, onlyIfSuccess }];
}
