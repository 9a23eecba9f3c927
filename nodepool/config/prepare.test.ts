import { describe, expect, test } from 'vitest';
import { renderProblems } from '../../jobs/problem.ts';
import { readPool } from './read.ts';

const sha = 'a'.repeat(64);
const file = `labels:
  - name: jammy
    image: ubuntu
    min-ready: 2
    subnodes: 1
    network: neutron
    ready-script: ready.sh
    providers: [a, b]
    prepare:
      scripts: one.sh
      projects: all
      downloads:
        - {url: "https://example.org/x/image.img?raw=1", sha256: ${sha}}
        - {url: "https://example.org/y.img", sha256: ${sha}, to: /srv/files/, via: server}
        - {url: "https://example.org/y.img", sha256: ${sha}, to: /srv/other}
providers:
  - &a
    name: a
    driver: command
    create: [c]
    list: [l]
    delete: [d]
    snapshot: [s]
    list-images: [li]
    delete-image: [di]
    images: [{name: ubuntu, image-id: 0b5e}]
  - {name: b, driver: command, create: [c], list: [l], delete: [d]}
`;
const read = (text: string) => readPool({ name: 'nodepool.yaml', text }, (path) => `echo ${path}\n`);

test('what is left out has its meaning', () => {
  const { config, problems } = read(file);
  expect(renderProblems(problems)).toBe('');
  const prepare = config?.labels.get('jammy')?.prepare;
  expect(prepare).toMatchObject({ scripts: ['one.sh'], projects: 'all', keep: 2, timeout: 7_200_000 });
  expect(prepare?.downloads.map(({ to, via }) => `${to} ${via}`)).toEqual([
    '/opt/cache/files/image.img node',
    '/srv/files/y.img server',
    '/srv/other node',
  ]);
});

test('its base is a label of its own at each provider, single and never kept ready', () => {
  const { config } = read(file);
  expect([...(config?.labels.keys() ?? [])]).toEqual(['jammy', 'jammy@a', 'jammy@b']);
  expect(config?.labels.get('jammy@a')).toMatchObject({
    base: 'jammy',
    minReady: 0,
    subnodes: 0,
    network: undefined,
    prepare: undefined,
    readyScript: 'ready.sh',
  });
  const [a] = config?.providers ?? [];
  expect(a?.kinds.get('jammy@a')).toBe(a?.kinds.get('jammy'));
  expect(a?.kinds.has('jammy@b')).toBe(false);
});

describe('says what is wrong', () => {
  const cases: readonly [string, string, string][] = [
    ['scripts: one.sh', 'script: one.sh', 'did you mean `scripts`?'],
    ['via: server', 'vie: server', 'unknown key `vie` in labels[0].prepare.downloads[1]'],
    [`sha256: ${sha}}`, 'sha256: 12ab}', 'expected 64 hexadecimal digits'],
    ['to: /srv/other', 'to: ../other', 'expected an absolute path without `..`'],
    ['"https://example.org/x', '"ftp://example.org/x', 'expected an http or https URL'],
    ['projects: all', 'projects: [../nova]', 'expected the name of a project'],
    [
      '    delete-image: [di]\n',
      '',
      'error[nodepool-invalid]: `snapshot` of provider `a` needs `delete-image`',
    ],
  ];
  test.each(cases)('%s → %s', (right, wrong, complaint) => {
    expect(file).toContain(right);
    const { config, problems } = read(file.replace(right, wrong));
    expect(config).toBe(undefined);
    expect(renderProblems(problems)).toContain(complaint);
    expect(problems.every(({ at }) => at !== undefined)).toBe(true);
  });
});
