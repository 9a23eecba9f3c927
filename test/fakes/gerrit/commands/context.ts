import type { ServerChannel } from 'ssh2';
import type { Account } from '../model.ts';
import type { Site } from '../site.ts';

/** What a command works with. */
export interface Context {
  readonly site: Site;
  readonly account: Account;
  readonly channel: ServerChannel;
  /** Aborted when the channel or its connection is gone. */
  readonly signal: AbortSignal;
  /** Environment the client sent, such as GIT_PROTOCOL. */
  readonly env: Readonly<Record<string, string>>;
  /** Cuts the connection at once, as a crash would. */
  readonly cut: () => void;
}

/** Runs with its arguments, answers the exit status; failures are CommandFailure. */
export type Run = (context: Context, args: readonly string[]) => Promise<number>;

/** What the client sends, without closing the channel when its side ends: the answer is still to go out. */
export function input({ channel }: Context): AsyncIterable<Buffer> {
  return channel.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
}

export async function readAll(context: Context): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of input(context)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
