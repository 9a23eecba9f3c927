import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { ZuulItem, ZuulStatus } from './contract.ts';
import type { ServerPorts } from './ports.ts';

/** ms for which one answer serves everybody: Zuul's `status_expiry`. */
export const expiry = 1_000;

const pack = promisify(gzip);

/** The status at one moment, made, serialised and packed once, however many ask. */
export class Snapshot {
  readonly status: ZuulStatus;
  readonly text: string;
  readonly etag: string;
  readonly at: number;
  #packed: Promise<Buffer> | undefined;

  constructor(status: ZuulStatus, at: number) {
    this.status = status;
    this.at = at;
    this.text = JSON.stringify(status);
    this.etag = `"${createHash('sha1').update(this.text).digest('base64url')}"`;
  }

  packed(): Promise<Buffer> {
    this.#packed ??= pack(this.text, { level: 1 });
    return this.#packed;
  }
}

export type Snapshots = () => Promise<Snapshot>;

export function snapshots(ports: Pick<ServerPorts, 'now' | 'status'>): Snapshots {
  let latest: Promise<Snapshot> | undefined;
  let madeAt = Number.NEGATIVE_INFINITY;
  return () => {
    const now = ports.now();
    if (latest === undefined || now - madeAt >= expiry || now < madeAt) {
      madeAt = now;
      const making = (async () => new Snapshot(await ports.status(now), now))();
      latest = making;
      making.catch(() => {
        if (latest === making) latest = undefined;
      });
    }
    return latest;
  };
}

export interface PlacedItem {
  readonly pipeline: string;
  readonly queue: string;
  readonly item: ZuulItem;
}

export function itemsOf(status: ZuulStatus): PlacedItem[] {
  return status.pipelines.flatMap(({ name: pipeline, change_queues: queues }) =>
    queues.flatMap(({ name: queue, heads }) => heads.flat().map((item) => ({ pipeline, queue, item }))),
  );
}
