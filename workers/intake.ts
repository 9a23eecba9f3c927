import type { Logger } from 'pino';
import { asFault, type Fault, isOutage } from '../pipelines/fault.ts';
import type { Filed, Ledger, Store, Sweep } from '../pipelines/ports.ts';
import { type Commands, openCommands } from './gerrit/commands.ts';
import { createFiler } from './gerrit/filer.ts';
import { createQuery } from './gerrit/query.ts';
import { openReconciler } from './gerrit/reconcile.ts';
import type { GerritSettings } from './gerrit/settings.ts';
import { createLoginGuard, type LoginGuard } from './gerrit/ssh.ts';
import { openStream, type StreamState } from './gerrit/stream.ts';
import { nameInGreeting, nameWarning } from './gerrit/visibility.ts';

/**
 * Everything that happens on one Gerrit, into the ledger: the stream brings it, reconciliation proves that nothing is missing.
 * One intake per connection and site, run by whoever leads.
 */
export interface Intake extends AsyncDisposable {
  readonly connection: string;
  state(): IntakeState;
  /** Compares the ledger with Gerrit now; resolves with the record of that sweep, throws its Fault. */
  sweep(reason: string): Promise<Sweep>;
}

export interface IntakeState {
  readonly stream: StreamState;
  readonly sweep: Sweep | undefined;
  /** The account's full name, once known. */
  readonly fullName: string | undefined;
  /** Sentences for the person who runs this. */
  readonly warnings: readonly string[];
}

/** One Gerrit as one account: what intake, fetch, report and git share. */
export interface GerritConnection extends AsyncDisposable {
  readonly settings: GerritSettings;
  readonly guard: LoginGuard;
  readonly commands: Commands;
}

export function openConnection(settings: GerritSettings, now: () => number = Date.now): GerritConnection {
  const guard = createLoginGuard(settings, now);
  const commands = openCommands(settings, guard);
  return { settings, guard, commands, [Symbol.asyncDispose]: () => commands[Symbol.asyncDispose]() };
}

export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;

export interface IntakeOptions {
  readonly connection: GerritConnection;
  readonly store: Pick<Store, 'file'>;
  readonly ledger: Ledger;
  /** Projects whose changes are watched for missed events: those of the layout in force. */
  readonly projects: () => readonly string[];
  readonly log: Log;
  readonly now?: () => number;
  readonly random?: () => number;
}

export function openIntake(options: IntakeOptions): Intake {
  const { store, ledger, projects, log, now = Date.now, random = Math.random } = options;
  const { settings, guard, commands } = options.connection;
  const { connection } = settings;
  const closing = new AbortController();
  const clocks = { now, random };
  let fullName = settings.fullName;
  let warnings: readonly string[] = [];
  const file = (facts: readonly Filed[]) => store.file(facts);
  const trouble = (what: string, fault: Fault) =>
    log[isOutage(fault) ? 'debug' : 'warn'](
      { connection, code: fault.code, hint: fault.hint },
      `${what}: ${fault.message}`,
    );

  const filer = createFiler({ file, random, onTrouble: (fault) => trouble('filing events', fault) });
  const reconciler = openReconciler({
    settings,
    ledger,
    file,
    projects,
    ...clocks,
    query: createQuery(commands),
    settled: () => filer.drained(),
    streamSince: () => {
      const { phase } = stream.state();
      return phase.kind === 'connected' ? phase.since : undefined;
    },
    onSwept(sweep) {
      stream.reconciled(sweep.to);
      const level = sweep.missed > 0 ? 'warn' : 'info';
      log[level](sweep, `${sweep.reason}: ${sweep.found} events proven, ${sweep.missed} missed`);
    },
    onMute: (missing) =>
      stream.restart(`the stream stands, but did not bring ${missing.length} events that happened`),
    onTrouble: trouble,
  });
  const stream = openStream({
    settings,
    guard,
    filer,
    ...clocks,
    keyOf: (event) => reconciler.keyOf(event),
    onConnected(first) {
      log.info({ connection }, first ? 'listening' : 'listening again');
      reconciler.request(first ? 'start' : 'reconnect');
      if (first) void introduce();
    },
    onDropped: () => reconciler.request('dropped-output'),
    onTrouble: trouble,
    onOddity: (kind, bytes) => log.warn({ connection, bytes }, `a line of the stream was no event: ${kind}`),
  });

  /** Learns under what name we speak, and warns when that name hides our results. */
  async function introduce(): Promise<void> {
    try {
      fullName ??= nameInGreeting(await commands.greeting(closing.signal));
      const warning = fullName === undefined ? undefined : nameWarning(fullName);
      if (warning === undefined) return;
      warnings = [warning];
      log.warn({ connection }, warning);
    } catch (caught) {
      if (!closing.signal.aborted) trouble('asking for our own name', asFault(caught));
    }
  }

  return {
    connection,
    state: () => ({ stream: stream.state(), sweep: reconciler.last(), fullName, warnings }),
    sweep: (reason) => reconciler.next(reason),
    async [Symbol.asyncDispose]() {
      closing.abort();
      await Promise.all([
        stream[Symbol.asyncDispose](),
        reconciler[Symbol.asyncDispose](),
        filer[Symbol.asyncDispose](),
      ]);
    },
  };
}
