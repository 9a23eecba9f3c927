import { expect, it } from 'vitest';
import { configFrom } from '../test/harness/layout.ts';
import { openRing, push } from '../test/harness/ring.ts';

const layout = `
pipelines:
  - name: check
    manager: independent
    trigger: {gerrit: [{event: patchset-created}]}
jobs:
  - {name: unit, parameter-function: single_use}
projects:
  - {name: org/project, check: [unit]}
`;

it('a declared rule does what a parameter function did: sets, takes away, and chooses the node', () => {
  const config = configFrom(layout, 'd0', [], ['single_use']);
  const rule = {
    set: { OFFLINE_NODE_WHEN_COMPLETE: '1', WHERE: '{ZUUL_BRANCH}/{NOTHING}' },
    unset: ['ZUUL_VOTING'],
    node: 'dsvm',
  };
  const settings = {
    accounts: {},
    gitUrl: '',
    jobNameInReport: true,
    reportTimes: true,
    parameterRules: { single_use: rule },
  };
  const ring = openRing({ ...config, settings });
  push(ring, { number: '1' });
  const params = ring.builds[0]?.action.params;
  expect(params).toMatchObject({
    OFFLINE_NODE_WHEN_COMPLETE: '1',
    WHERE: 'master/{NOTHING}',
    ZUUL_CHANGE: '1',
  });
  expect(params).not.toHaveProperty('ZUUL_VOTING');
  const acquire = ring.actions.find(({ kind }) => kind === 'acquire');
  expect(acquire).toMatchObject({ nodes: { label: 'dsvm' } });
});
