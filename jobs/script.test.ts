import { expect, it } from 'vitest';
import type { JobDefinition } from './definition.ts';
import { planScript } from './script.ts';

const job: JobDefinition = {
  name: 'a',
  node: '',
  builders: [
    { kind: 'shell', script: '#!/bin/bash -xe\nset -x\n# words\n./run.sh \u001b[31m --all\n' },
    { kind: 'shell', script: '' },
  ],
  timeout: { limit: 90_000, fail: false, variable: 'BUILD_TIMEOUT' },
  timestamps: true,
  publishers: [],
  parameters: { ZUUL_URL: 'default', KIND: 'full' },
  environment: { KIND: 'none', LANG: 'C' },
};

it('plans steps, environment and limit', () => {
  expect(planScript(job, { ZUUL_URL: 'http://merger/p' })).toEqual({
    steps: [
      {
        name: '1: ./run.sh  [31m --all',
        script: '#!/bin/bash -xe\nset -x\n# words\n./run.sh \u001b[31m --all\n',
      },
      { name: '2: shell', script: '' },
    ],
    env: { ZUUL_URL: 'http://merger/p', KIND: 'full', LANG: 'C', BUILD_TIMEOUT: '90000' },
    timeoutMs: 90_000,
  });
});

it('leaves the limit to the site where the job has none', () => {
  const { timeout: _, ...without } = job;
  expect(planScript(without, {})).not.toHaveProperty('timeoutMs');
});
