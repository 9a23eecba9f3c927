import type { Account, Change, Label, State } from './model.ts';
import type { Rule } from './specs.ts';

/**
 * Permissions in the shape of project.config. Simplified from the real thing in one point: rules of All-Projects and of the
 * project add up, a DENY of any of them wins, and there is no exclusive flag.
 */

export const ADMINISTRATORS = 'Administrators';
export const SERVICE_USERS = 'Service Users';
export const REGISTERED = 'Registered Users';
export const ANONYMOUS = 'Anonymous Users';
/** The owner of the change at hand. */
export const CHANGE_OWNER = 'Change Owner';

const HEADS = 'refs/heads/*';

/** All-Projects of a fresh 3.10 site, plus the label Verified for Service Users that its documentation advises. */
export const DEFAULT_RULES: readonly Rule[] = [
  { ref: 'GLOBAL', permission: 'administrateServer', group: ADMINISTRATORS },
  { ref: 'GLOBAL', permission: 'streamEvents', group: SERVICE_USERS },
  { ref: 'refs/*', permission: 'read', group: ADMINISTRATORS },
  { ref: HEADS, permission: 'read', group: ANONYMOUS },
  { ref: 'refs/tags/*', permission: 'read', group: ANONYMOUS },
  { ref: 'refs/for/*', permission: 'push', group: REGISTERED },
  { ref: 'refs/for/*', permission: 'pushMerge', group: REGISTERED },
  { ref: HEADS, permission: 'forgeAuthor', group: REGISTERED },
  { ref: HEADS, permission: 'push', group: ADMINISTRATORS },
  { ref: HEADS, permission: 'create', group: ADMINISTRATORS },
  { ref: HEADS, permission: 'forgeCommitter', group: ADMINISTRATORS },
  { ref: HEADS, permission: 'submit', group: ADMINISTRATORS },
  { ref: HEADS, permission: 'abandon', group: ADMINISTRATORS },
  { ref: HEADS, permission: 'abandon', group: CHANGE_OWNER },
  { ref: HEADS, permission: 'label-Code-Review', group: ADMINISTRATORS, min: -2, max: 2 },
  { ref: HEADS, permission: 'label-Code-Review', group: REGISTERED, min: -1, max: 1 },
  { ref: HEADS, permission: 'label-Verified', group: SERVICE_USERS, min: -1, max: 1 },
  { ref: HEADS, permission: 'label-Verified', group: ADMINISTRATORS, min: -1, max: 1 },
  { ref: HEADS, permission: 'label-Workflow', group: ADMINISTRATORS, min: -1, max: 1 },
];

export const DEFAULT_LABELS: readonly Label[] = [
  {
    name: 'Code-Review',
    min: -2,
    max: 2,
    function: 'MaxWithBlock',
    copy: ['NO_CHANGE', 'TRIVIAL_REBASE', 'MIN'],
  },
  { name: 'Verified', min: -1, max: 1, function: 'MaxWithBlock', copy: ['NO_CODE_CHANGE', 'NO_CHANGE'] },
];

function matchesRef(pattern: string, ref: string): boolean {
  return pattern.endsWith('/*') ? ref.startsWith(pattern.slice(0, -1)) : pattern === ref;
}

function isMember(account: Account, group: string, change: Change | undefined): boolean {
  if (group === ANONYMOUS || group === REGISTERED) return true;
  if (group === CHANGE_OWNER) return change?.owner === account.username;
  return account.groups.includes(group);
}

interface Where {
  readonly project: string;
  readonly ref: string;
  readonly change?: Change;
}

function rulesFor(state: State, account: Account, permission: string, where: Where): Rule[] | 'denied' {
  const rules = state.rules.filter(
    (rule) =>
      rule.permission === permission &&
      (rule.project === undefined || rule.project === where.project) &&
      matchesRef(rule.ref, where.ref) &&
      isMember(account, rule.group, where.change),
  );
  return rules.some((rule) => rule.action === 'DENY') ? 'denied' : rules;
}

export function isAdministrator(state: State, account: Account): boolean {
  return hasCapability(state, account, 'administrateServer');
}

export function hasCapability(state: State, account: Account, capability: string): boolean {
  const given = (name: string) => {
    const rules = rulesFor(state, account, name, { project: '', ref: 'GLOBAL' });
    return rules !== 'denied' && rules.length > 0;
  };
  return given(capability) || given('administrateServer');
}

export function isAllowed(state: State, account: Account, permission: string, where: Where): boolean {
  const rules = rulesFor(state, account, permission, where);
  return rules !== 'denied' && rules.length > 0;
}

/** The values the user may give on this label; 0 is always among them. */
export function voteRange(state: State, account: Account, label: string, change: Change): [number, number] {
  const ref = `refs/heads/${change.branch}`;
  const rules = rulesFor(state, account, `label-${label}`, { project: change.project, ref, change });
  if (rules === 'denied') return [0, 0];
  return [Math.min(0, ...rules.map((r) => r.min ?? 0)), Math.max(0, ...rules.map((r) => r.max ?? 0))];
}

export function canReadChange(state: State, account: Account, change: Change): boolean {
  const seesPrivate =
    change.owner === account.username ||
    change.reviewers.includes(account.username) ||
    isAdministrator(state, account);
  if (change.private && !seesPrivate) return false;
  return isAllowed(state, account, 'read', { project: change.project, ref: `refs/heads/${change.branch}` });
}

export function canReadProject(state: State, account: Account, project: string): boolean {
  return isAllowed(state, account, 'read', { project, ref: 'refs/heads/any' });
}
