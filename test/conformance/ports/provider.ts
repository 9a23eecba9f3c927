import { expect, test } from 'vitest';
import type { NodeOrder, Provider } from '../../../nodepool/provider.ts';

/** What every provider must do (nodepool/provider.ts). `room`: how many machines it has room for, two at least. */
export interface ProviderFixture {
  open(): Promise<Provider>;
  readonly label: string;
  readonly room: number;
  /** ms for a machine to run. */
  readonly boot: number;
}

let count = 0;

export function orderOf(
  provider: Provider,
  fixture: ProviderFixture,
  more: Partial<NodeOrder> = {},
): NodeOrder {
  const number = count++;
  const place = provider.places?.[number % Math.max(1, provider.places.length)]?.id;
  return {
    node: `${1_000_000_000 + number}`,
    site: '5a1ce0de5a1ce0de',
    kind: { label: fixture.label, image: 'image', properties: {} },
    place,
    again: false,
    ...more,
  };
}

const soon = () => AbortSignal.timeout(30_000);

export function providerSuite(fixture: () => ProviderFixture): void {
  const isThere = (provider: Provider) => provider.places !== undefined;

  async function made(provider: Provider, order: NodeOrder) {
    const answer = await provider.create(order, soon());
    if (answer.kind !== 'created') throw new Error(`${answer.kind}: ${answer.reason}`);
    return answer.machine;
  }

  async function active(provider: Provider, order: NodeOrder) {
    let machine = await made(provider, order);
    const until = Date.now() + fixture().boot;
    while (machine.state === 'building' && Date.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      const listed = await provider.list(soon());
      if (listed.kind !== 'listed') throw new Error(listed.reason);
      machine = listed.machines.find((each) => each.node === order.node) ?? machine;
    }
    return machine;
  }

  async function removed(provider: Provider, node: string, id?: string): Promise<void> {
    await expect
      .poll(async () => (await provider.delete({ node, ...(id === undefined ? {} : { id }) }, soon())).kind, {
        timeout: 30_000,
      })
      .toBe('gone');
  }

  test('makes a machine that carries our id, and takes it away twice', async () => {
    await using provider = await fixture().open();
    const order = orderOf(provider, fixture());
    const machine = await active(provider, order);
    expect(machine).toMatchObject({ node: order.node, state: 'active' });
    if (!isThere(provider)) {
      const listed = await provider.list(soon());
      expect(
        listed.kind === 'listed' && listed.machines.map(({ id, node }) => ({ id, node })),
      ).toContainEqual({
        id: machine.id,
        node: order.node,
      });
    }
    await removed(provider, order.node, machine.id);
    await removed(provider, order.node, machine.id);
    const listed = await provider.list(soon());
    expect(listed.kind === 'listed' && listed.machines.filter(({ node }) => node === order.node)).toEqual([]);
  });

  test('asked again it answers the machine that is there, also in another life', async () => {
    const order = await (async () => {
      await using provider = await fixture().open();
      const first = orderOf(provider, fixture());
      await made(provider, first);
      return first;
    })();
    await using provider = await fixture().open();
    const again = await made(provider, { ...order, again: true });
    expect(again.node).toBe(order.node);
    const listed = await provider.list(soon());
    const own = listed.kind === 'listed' ? listed.machines.filter(({ node }) => node === order.node) : [];
    expect(own.length).toBe(isThere(provider) ? 0 : 1);
    await removed(provider, order.node, again.id);
  });

  test('what was never made is gone, by its mark alone', async () => {
    await using provider = await fixture().open();
    if (isThere(provider)) return;
    await removed(provider, '1999999999');
    const order = orderOf(provider, fixture());
    await made(provider, order);
    await removed(provider, order.node);
  });

  test('a full provider says so, and has room again', async () => {
    await using provider = await fixture().open();
    if (isThere(provider)) return;
    const machines: { node: string; id: string }[] = [];
    for (let number = 0; number < fixture().room; number++) {
      const order = orderOf(provider, fixture());
      machines.push({ node: order.node, id: (await made(provider, order)).id });
    }
    const more = orderOf(provider, fixture());
    expect(['quota', 'full']).toContain((await provider.create(more, soon())).kind);
    const [first, ...others] = machines;
    await removed(provider, first?.node ?? '', first?.id);
    const machine = await made(provider, more);
    await removed(provider, more.node, machine.id);
    for (const { node, id } of others) await removed(provider, node, id);
  });

  test('tells what it can make', async () => {
    await using provider = await fixture().open();
    const probed = await provider.probe([{ label: fixture().label, image: 'image', properties: {} }], soon());
    expect(probed.kind).toBe('probed');
    const kind = probed.kind === 'probed' ? probed.kinds[fixture().label] : undefined;
    if (kind !== undefined) expect('never' in kind).toBe(false);
  });

  test('its places are stable, and each is on a host', async () => {
    const [one, two] = [await fixture().open(), await fixture().open()];
    expect(one.places).toEqual(two.places);
    for (const place of one.places ?? []) expect(place.id.startsWith(`${place.host}/`)).toBe(true);
    await one[Symbol.asyncDispose]();
    await two[Symbol.asyncDispose]();
  });
}
