import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { findLab, type LabNode, openLab, sweepLabs } from './lab.ts';
import { labMissing } from './missing.ts';

/**
 * The lab as a cloud of one machine.
 *
 *   cloud up KEYS       opens a lab whose nodes let the public keys of a file in, says it, and keeps it until it is ended
 *   cloud create LAB    the three executables of a `command` provider: JSON on stdin, JSON on stdout
 *   cloud list LAB
 *   cloud delete LAB
 *   cloud limits LAB    how many nodes it holds
 *   cloud snapshot LAB  saves what a node has written as an image
 *   cloud images LAB    images that were saved
 *   cloud unimage LAB   deletes one
 *   cloud sweep         takes down labs whose keepers were killed
 */

const Order = z.object({
  node: z.string().min(1),
  site: z.string(),
  label: z.string(),
  image: z.string().optional(),
  flavor: z.string().optional(),
  zone: z.string().optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
});

const Saved = z.object({ node: z.string(), image: z.string() });
const Unsaved = z.object({ image: z.string() });

const Deleted = z.object({ id: z.string().nullish(), node: z.string() });

/** What the protocol calls "no room now" (EX_TEMPFAIL). */
const full = 75;
/** "Never like this" (EX_CONFIG). */
const never = 78;
/** Every image that is called so is a copy of this machine. */
const plain = /^(?!stackgate-)/;

async function main([command = '', argument = '']: readonly string[]): Promise<number> {
  const missing = labMissing();
  if (missing !== undefined) return complain(missing);
  switch (command) {
    case 'up':
      return await keep(argument);
    case 'create': {
      const order = Order.parse(JSON.parse(await text(process.stdin)));
      const lab = await findLab(argument);
      const image = plain.test(order.image ?? '') ? undefined : order.image;
      if (image !== undefined && !lab.images.has(image)) {
        complain(`there is no image ${image}`);
        return never;
      }
      const node = await lab.boot({ node: order.node, about: order, image });
      if (node === undefined) return full;
      say(machine(node, lab.user));
      return 0;
    }
    case 'list': {
      const lab = await findLab(argument);
      say((await lab.nodes()).map((node) => machine(node, lab.user)));
      return 0;
    }
    case 'delete':
      await (await findLab(argument)).remove(Deleted.parse(JSON.parse(await text(process.stdin))).node);
      return 0;
    case 'limits':
      say({ instances: (await findLab(argument)).capacity });
      return 0;
    case 'snapshot': {
      const lab = await findLab(argument);
      const { node, image } = Saved.parse(JSON.parse(await text(process.stdin)));
      const pid = (await lab.nodes()).find((each) => each.node === node)?.pid;
      if (pid === undefined) return complain(`there is no node ${node}`);
      await lab.images.save(image, pid);
      say({ image });
      return 0;
    }
    case 'images':
      say(await (await findLab(argument)).images.list());
      return 0;
    case 'unimage':
      await (await findLab(argument)).images.delete(
        Unsaved.parse(JSON.parse(await text(process.stdin))).image,
      );
      return 0;
    case 'sweep':
      say(await sweepLabs());
      return 0;
    default:
      return complain(
        'cloud up KEYS | create LAB | list LAB | delete LAB | limits LAB | snapshot LAB | images LAB | unimage LAB | sweep',
      );
  }
}

function machine(node: LabNode, user: string): unknown {
  const { zone } = node.about;
  return {
    id: node.id,
    node: node.node,
    state: node.pid === undefined ? 'failed' : node.up ? 'active' : 'building',
    address: node.address,
    'private-address': node.address,
    ssh: { port: 22, user, 'host-keys': node.hostKeys },
    ...(typeof zone === 'string' ? { zone } : {}),
  };
}

async function keep(keys: string): Promise<number> {
  const ended = new Promise((resolve) => process.once('SIGTERM', resolve).once('SIGINT', resolve));
  // A pending promise alone does not keep a process.
  const alive = setInterval(() => undefined, 1 << 30);
  await using lab = await openLab({ authorizedKeys: await readFile(keys, 'utf8') });
  say({ lab: lab.id, gateway: lab.gateway, user: lab.user });
  await ended;
  clearInterval(alive);
  return 0;
}

function say(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

function complain(sentence: string): number {
  process.stderr.write(`${sentence}\n`);
  return 2;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.exitCode = complain(error instanceof Error ? error.message : String(error));
}
