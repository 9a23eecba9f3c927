import { canReadProject } from '../access.ts';
import { CommandFailure, die, parseArguments } from '../argv.ts';
import { gson } from '../attributes.ts';
import { addReviewer, setTopic } from '../ops/edit.ts';
import { Refusal } from '../site.ts';
import type { Run } from './context.ts';

export const lsProjects: Run = async ({ site, account, channel }, args) => {
  const given = parseArguments(args, [
    { names: ['--format'], operand: true },
    { names: ['--show-branch', '-b'], operand: true },
    { names: ['--description', '-d'], operand: false },
    { names: ['--type'], operand: true },
    { names: ['--prefix', '-p'], operand: true },
    { names: ['--match', '-m'], operand: true },
    { names: ['--limit', '-n'], operand: true },
    { names: ['--state', '-s'], operand: true },
  ]);
  const prefix = given.value('--prefix') ?? '';
  const part = given.value('--match')?.toLowerCase() ?? '';
  const names = [...site.state.projects.keys()]
    .filter((name) => name.startsWith(prefix) && name.toLowerCase().includes(part))
    .filter((name) => canReadProject(site.state, account, name))
    .sort()
    .slice(0, Number(given.value('--limit') ?? Number.MAX_SAFE_INTEGER));
  const format = given.value('--format')?.toUpperCase() ?? 'TEXT';
  if (format.startsWith('JSON')) {
    const entries = names.map((name) => [name, { id: encodeURIComponent(name), state: 'ACTIVE' }]);
    channel.write(`${gson(Object.fromEntries(entries))}\n`);
  } else {
    const branch = given.value('--show-branch');
    for (const name of names) {
      const tip = branch === undefined ? undefined : await site.repo(name).resolve(`refs/heads/${branch}`);
      if (branch === undefined) channel.write(`${name}\n`);
      else if (tip !== undefined) channel.write(`${tip} ${name}\n`);
    }
  }
  return 0;
};

function numberOf(token: string): number {
  const match = /^(?:.*~)?([1-9]\d*)$/.exec(token);
  if (match === null) throw die(`"${token}" no such change`);
  return Number(match[1]);
}

export const setReviewers: Run = async ({ site, account, channel }, args) => {
  const given = parseArguments(args, [
    { names: ['--project', '-p'], operand: true },
    { names: ['--add', '-a'], operand: true },
    { names: ['--remove', '-r'], operand: true },
  ]);
  if (given.rest.length === 0) throw die('Argument "CHANGE" is required');
  let failed = false;
  for (const number of given.rest.map(numberOf)) {
    for (const reviewer of given.values('--add')) {
      try {
        addReviewer(site, account, number, reviewer);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        failed = true;
        channel.stderr.write(`error: ${error.message}\n`);
      }
    }
  }
  if (failed) throw new CommandFailure(1, 'fatal: one or more updates failed; review output above');
  return 0;
};

export const setTopicCommand: Run = async ({ site, account }, args) => {
  const given = parseArguments(args, [{ names: ['--topic', '-t'], operand: true }]);
  const [token] = given.rest;
  if (token === undefined) throw die('Argument "CHANGE" is required');
  setTopic(site, account, numberOf(token), given.value('--topic') ?? '');
  return 0;
};
