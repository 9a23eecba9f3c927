import type { Binding } from '../../definition.ts';
import type { Component } from '../macros.ts';
import { isDict, isList, pythonText } from '../python.ts';
import { lookUp, needed, textOf, variableOf } from './options.ts';
import { type Report, readFlag } from './report.ts';

/** Jenkins' credentials by their id: secrets of the site by their name. */

/** JJB's list of bindings: each a kind with its options. */
export function mapBindings(part: Component, report: Report): Binding[] {
  const list = isList(part.value) ? part.value : [];
  if (list.length === 0) {
    const message = 'The wrapper credentials-binding needs a list of bindings.';
    report.error(
      'part-options',
      message,
      part.at,
      'Such as "- text: {credential-id: ..., variable: ...}".',
      part,
    );
  }
  return list.filter(isDict).flatMap((item) => {
    const [kind = ''] = Object.keys(item);
    return binding(kind, part.inside(`credentials-binding.${kind}`, item[kind]), report);
  });
}

const VARIABLES: Readonly<Record<string, readonly string[]>> = {
  text: ['variable'],
  file: ['variable'],
  'zip-file': ['variable'],
  'username-password': ['variable'],
  'username-password-separated': ['username', 'password'],
  'amazon-web-services': ['access-key', 'secret-key'],
  'ssh-user-private-key': ['key-file-variable', 'username-variable', 'passphrase-variable'],
};

function binding(kind: string, part: Component, report: Report): Binding[] {
  const keys = lookUp(VARIABLES, kind);
  if (keys === undefined) {
    const hint = `It knows ${Object.keys(VARIABLES).join(', ')}.`;
    report.unsupported('wrapper-option', `credentials-binding: ${kind}`, part.at, part, hint);
    return [];
  }
  const options = report.options('wrapper', part, ['credential-id', ...keys]);
  const secret = needed('wrapper', part, options, 'credential-id', report);
  for (const key of ['username-variable', 'passphrase-variable']) {
    if (textOf(options[key]) === undefined) continue;
    const hint = 'Bind a secret of its own with "text:".';
    report.unsupported('wrapper-option', `credentials-binding.${key}`, report.placeIn(part, key), part, hint);
  }
  const [first = '', second = ''] = keys;
  const variable = variableOf(part, first, options[first], report);
  if (secret === undefined || variable === undefined) return [];
  if (kind === 'username-password-separated' || kind === 'amazon-web-services') {
    const password = variableOf(part, second, options[second], report);
    return password === undefined ? [] : [{ kind: 'pair', secret, user: variable, password }];
  }
  if (kind === 'text' || kind === 'username-password') return [{ kind: 'text', secret, variable }];
  return [{ kind: 'file', secret, variable }];
}

export function mapAgent(part: Component, report: Report): Binding[] {
  const options = report.options('wrapper', part, ['users', 'user', 'ignore-missing-credentials']);
  const users = isList(options['users']) ? options['users'].map(pythonText) : [textOf(options['user']) ?? ''];
  const named = users.filter((user) => user !== '');
  if (named.length === 0) {
    const message = 'The wrapper ssh-agent-credentials needs a list "users:".';
    report.error('part-options', message, part.at, undefined, part);
  }
  const optional = readFlag(options['ignore-missing-credentials'], false);
  return named.map((secret) => ({ kind: 'ssh-agent', secret, optional }));
}
