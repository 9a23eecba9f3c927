import { describe, expect, it } from 'vitest';
import { makeKeyPair } from '../../test/fakes/gerrit/keys.ts';
import { fingerprint, keyLine, pinnedKeys } from './hostkey.ts';

const line = makeKeyPair('somebody').publicKey;
const key = Buffer.from(line.split(' ')[1] ?? '', 'base64');
const other = Buffer.from(makeKeyPair('').publicKey.split(' ')[1] ?? '', 'base64');

describe('pinned host keys', () => {
  it.each([
    ['Nodepool’s form', keyLine(key)],
    ['a public key file', `${line}\n`],
    ['a line of ssh-keyscan', `[node.example.org]:2222 ${keyLine(key)}`],
    [
      'among comments and blank lines',
      `# node:22 SSH-2.0-OpenSSH\n\n${keyLine(other)}\nnode ${keyLine(key)}\n`,
    ],
    ['a bare blob', key.toString('base64')],
  ])('are read from %s', (_, text) => {
    const pinned = pinnedKeys([text], 'node:22');
    expect(pinned.accepts(key)).toBe(true);
    expect(pinned.algorithms).toEqual(['ssh-ed25519']);
  });

  it('accept nothing else', () => {
    expect(pinnedKeys([line], 'node:22').accepts(other)).toBe(false);
    expect(pinnedKeys([fingerprint(key)], 'node:22').accepts(other)).toBe(false);
  });

  it('a fingerprint leaves the type open', () => {
    const pinned = pinnedKeys([fingerprint(key)], 'node:22');
    expect(pinned.accepts(key)).toBe(true);
    expect(pinned.algorithms).toBe(undefined);
  });

  it.each([[['']], [[]], [['# nothing']]])('none is a mistake, never "any": %j', (lines) => {
    expect(() => pinnedKeys(lines, 'node:22')).toThrow(/no host key is known/);
  });

  it.each([
    'ssh-ed25519',
    'ssh-ed25519 AAAA',
    'node ssh-foo AAAAB3NzaC1yc2EAAAADAQABAAABAQ==',
    'SHA256:short',
  ])('cannot be read from %s', (text) => {
    expect(() => pinnedKeys([text], 'node:22')).toThrow(/no host key in/);
  });
});
