import type { Excerpt } from './contract.ts';

/** Lines of a console that say what went wrong, in the forms that OpenStack's jobs write. */

export const mostTelling = 12;
const longest = 300;

type Told = Omit<Excerpt['telling'][number], 'line'>;

/** What a line must hold, looked for in its bytes first: most lines hold nothing of it. */
const FORMS: readonly { readonly mark: Buffer; readonly form: RegExp; readonly kind: Told['kind'] }[] = [
  // stestr and tempest's subunit-trace: `{1} tempest.api.x.test_y [12.3s] ... FAILED`
  { mark: Buffer.from('FAILED'), form: /^\{\d{1,4}\} \S.{0,400} \.\.\. FAILED\s*$/, kind: 'test' },
  // testr: `FAIL: tempest.api.x.test_y`, unittest: `ERROR: test_y (tempest.api.x)`
  { mark: Buffer.from('FAIL: '), form: /^FAIL: \S{1,400}/, kind: 'test' },
  { mark: Buffer.from('ERROR: test'), form: /^ERROR: test\S{0,400}/, kind: 'test' },
  // pytest: `FAILED tests/test_x.py::test_y - AssertionError`
  { mark: Buffer.from('FAILED '), form: /^FAILED \S{1,400}::\S{1,400}/, kind: 'test' },
  // TAP: `not ok 3 - test_y`
  { mark: Buffer.from('not ok'), form: /^not ok \d{1,6}\b/, kind: 'test' },
  // DevStack's die(): `[ERROR] /opt/stack/devstack/functions-common:600 g-api did not start`
  { mark: Buffer.from('[ERROR] '), form: /^(?:\[Call Trace\]|\[ERROR\] \S{1,300}:\d{1,6} )/, kind: 'setup' },
];

export function tellingOf(line: Buffer): Told | undefined {
  for (const { mark, form, kind } of FORMS) {
    if (line.indexOf(mark) === -1) continue;
    const text = plain(line.toString('utf8'));
    if (form.test(text)) return { kind, text: text.slice(0, longest) };
  }
  return undefined;
}

/** Without the times that we and DevStack put before a line, and without colours. */
function plain(text: string): string {
  // oxlint-disable-next-line no-control-regex -- colours begin with one
  const bare = text.replaceAll(/\u001b\[[0-9;]{0,20}m/g, '');
  return bare.replace(/^(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.,]?\d{0,6} \| ?){1,2}/, '').trimEnd();
}
