import { connect, createServer, type Socket } from 'node:net';

/** The road between Stackgate and Gerrit's SSH port. Blocked, it lets nobody new through; who is through stays. */
export interface Gateway extends AsyncDisposable {
  readonly port: number;
  /** Connections that stand. */
  readonly open: number;
  block(): void;
  unblock(): void;
}

export async function openGateway(target: number): Promise<Gateway> {
  const sockets = new Set<Socket>();
  let blocked = false;
  let open = 0;
  const server = createServer((near) => {
    if (blocked) {
      near.destroy();
      return;
    }
    const far = connect(target, '127.0.0.1');
    open += 1;
    for (const [here, there] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(here);
      here.on('error', () => undefined);
      here.on('close', () => {
        sockets.delete(here);
        there.destroy();
      });
      here.pipe(there);
    }
    near.once('close', () => {
      open -= 1;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    get open() {
      return open;
    },
    block: () => {
      blocked = true;
    },
    unblock: () => {
      blocked = false;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
