import type { Binding, Builder, Timeout } from '../../definition.ts';
import type { Component } from '../macros.ts';
import { pythonText } from '../python.ts';
import { mapAgent, mapBindings } from './credentials.ts';
import { type Injected, mapInject } from './inject.ts';
import { numberOf, tellIdle, textOf, variableOf } from './options.ts';
import { type Report, readFlag } from './report.ts';

export type Wrapper =
  | { readonly kind: 'timestamps' }
  | ({ readonly kind: 'injected' } & Injected)
  | { readonly kind: 'bindings'; readonly bindings: readonly Binding[] }
  | { readonly kind: 'builders'; readonly builders: readonly Builder[] }
  | { readonly kind: 'timeout'; readonly timeout: Timeout };

export function mapWrapper(part: Component, report: Report): Wrapper | undefined {
  switch (part.name) {
    case 'timestamps':
      report.options('wrapper', part, []);
      return { kind: 'timestamps' };
    case 'timeout':
      return timeout(part, report);
    case 'inject':
      return { kind: 'injected', ...mapInject('wrapper', part, report) };
    case 'credentials-binding':
      return { kind: 'bindings', bindings: mapBindings(part, report) };
    case 'ssh-agent-credentials':
      return { kind: 'bindings', bindings: mapAgent(part, report) };
    case 'ansicolor':
      // Colours are always kept; which shade is "red" the reader's browser decides.
      report.options('wrapper', part, ['colormap']);
      return undefined;
    case 'workspace-cleanup':
      // Every build starts in an empty workspace.
      report.options('wrapper', part, CLEANUP);
      return undefined;
    case 'mask-passwords':
      // Secrets and password parameters are always masked.
      return undefined;
    default:
      report.unsupported('wrapper', part.name, part.at, part);
      return undefined;
  }
}

const CLEANUP = ['include', 'exclude', 'dirmatch', 'check-parameter', 'disable-deferred-wipeout'];

const OPTIONS = [
  'timeout',
  'timeout-var',
  'fail',
  'abort',
  'type',
  'write-description',
  'elastic-percentage',
  'elastic-number-builds',
  'elastic-default-timeout',
];
const MINUTE = 60_000;

/** Minutes, 3 of them when none are given, as JJB has it. */
function timeout(part: Component, report: Report): Wrapper | undefined {
  const options = report.options('wrapper', part, OPTIONS);
  const type = pythonText(options['type'] ?? 'absolute');
  tellIdle(part, options, ['write-description'], report);
  const minutes = (key: string) => MINUTE * numberOf(part, key, options[key], 3, 0.001, report);
  const variable =
    textOf(options['timeout-var']) === undefined
      ? undefined
      : variableOf(part, 'timeout-var', options['timeout-var'], report);
  const named = variable === undefined ? {} : { variable };
  const fail = readFlag(options['fail'], false);
  const limit = minutes('timeout');
  switch (type) {
    case 'absolute':
      return { kind: 'timeout', timeout: { limit, fail, ...named } };
    case 'no-activity':
      return { kind: 'timeout', timeout: { limit, fail, ...named, strategy: { kind: type } } };
    case 'likely-stuck':
      return {
        kind: 'timeout',
        timeout: { limit: 24 * 60 * MINUTE, fail, ...named, strategy: { kind: type } },
      };
    case 'elastic': {
      const percent = numberOf(part, 'elastic-percentage', options['elastic-percentage'], 0, 0, report);
      const builds = numberOf(part, 'elastic-number-builds', options['elastic-number-builds'], 3, 1, report);
      if (percent === 0) {
        const message = 'An elastic timeout needs "elastic-percentage:", such as 150.';
        report.error('timeout', message, report.placeIn(part, 'type'), undefined, part);
      }
      const strategy = { kind: type, percent, builds } as const;
      return {
        kind: 'timeout',
        timeout: { limit: minutes('elastic-default-timeout'), fail, ...named, strategy },
      };
    }
    default: {
      const at = report.placeIn(part, 'type');
      const hint = 'It knows absolute, no-activity, elastic and likely-stuck.';
      report.unsupported('wrapper-option', `timeout.type: ${type}`, at, part, hint);
      return undefined;
    }
  }
}
