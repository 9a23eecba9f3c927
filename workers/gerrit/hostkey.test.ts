import { createHmac } from 'node:crypto';
import ssh2 from 'ssh2';
import { describe, expect, it } from 'vitest';
import { fingerprint, knownHostsLine, readHostKeys, unknownHostKey } from './hostkey.ts';

function publicKey(type: 'ed25519' | 'rsa'): { line: string; blob: Buffer } {
  const pair =
    type === 'rsa'
      ? ssh2.utils.generateKeyPairSync('rsa', { bits: 2048 })
      : ssh2.utils.generateKeyPairSync('ed25519');
  const line = pair.public.split(' ').slice(0, 2).join(' ');
  return { line, blob: Buffer.from(line.split(' ')[1] ?? '', 'base64') };
}

const ed = publicKey('ed25519');
const other = publicKey('ed25519');
const rsa = publicKey('rsa');
const host = 'review.example.org';
const read = (text: string, port = 29_418) => readHostKeys(text, host, port);

describe('host keys', () => {
  it('reads every form in which people keep them', () => {
    const salt = Buffer.from('0123456789abcdefghij');
    const hash = createHmac('sha1', salt).update(`[${host}]:29418`).digest('base64');
    for (const text of [
      ed.line,
      ed.line.split(' ')[1] ?? '',
      `${ed.line} gerrit@host`,
      `[${host}]:29418 ${ed.line}`,
      `example.com,[${host}]:29418 ${ed.line}`,
      `[*.example.org]:29418 ${ed.line}`,
      `|1|${salt.toString('base64')}|${hash} ${ed.line}`,
      `# comment\n\n${fingerprint(ed.blob)}\n`,
      knownHostsLine(ed.blob, host, 29_418),
    ]) {
      const keys = read(text);
      expect({ text, ours: keys.accepts(ed.blob) }).toEqual({ text, ours: true });
      expect({ text, other: keys.accepts(other.blob) }).toEqual({ text, other: false });
    }
    expect(read(`${host} ${ed.line}`, 22).accepts(ed.blob)).toBe(true);
  });

  it('accepts nothing for other hosts, ports, revoked keys, or without any', () => {
    for (const text of [
      '',
      `${host} ${ed.line}`,
      `[elsewhere.org]:29418 ${ed.line}`,
      `!?${host},[${host}]:22 ${ed.line}`,
      `${ed.line}\n@revoked * ${ed.line}`,
      `@cert-authority * ${ed.line}`,
    ])
      expect({ text, ours: read(text.replace('* ', `[${host}]:29418 `)).accepts(ed.blob) }).toEqual({
        text,
        ours: false,
      });
    expect(() => read('what is this')).toThrow(/cannot read a host key/);
  });

  it('offers the types that are pinned, so that the server shows a key we know', () => {
    expect(read(rsa.line).algorithms).toEqual(['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa']);
    expect(read(`${rsa.line}\n${ed.line}`).algorithms?.[0]).toBe('ssh-ed25519');
    expect(read(fingerprint(ed.blob)).algorithms).toBeUndefined();
  });

  it('refuses in one sentence that can be pasted', () => {
    const fault = unknownHostKey(ed.blob, host, 29_418);
    expect(fault.message).toContain(fingerprint(ed.blob));
    expect(fault.hint).toContain(`[${host}]:29418 ${ed.line}`);
  });
});
