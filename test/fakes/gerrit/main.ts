import { Command } from 'commander';
import { openControl } from './control.ts';
import { type Gerrit, startGerrit } from './server.ts';

/**
 * `npx tsx test/fakes/gerrit/main.ts --dir D --port P`: the simulator as a process of its own. Prints one line of JSON when it is
 * ready (SSH port, host key, control URL, admin's key file) and runs until SIGTERM or SIGINT.
 */

interface Options {
  readonly dir?: string;
  readonly port: number;
  readonly controlPort: number;
  readonly webUrl?: string;
  readonly submitWholeTopic?: boolean;
}

const program = new Command('gerrit-simulator')
  .option('--dir <folder>', 'keep everything here; started again on it, the server knows all it acknowledged')
  .option('--port <port>', 'SSH port', Number, 0)
  .option('--control-port <port>', 'HTTP port of the control calls', Number, 0)
  .option('--web-url <url>', 'canonical web URL, as it appears in events (default: the control URL)')
  .option('--submit-whole-topic', 'submit all changes of a topic together')
  .parse();
const { controlPort, ...options } = program.opts<Options>();

let gerrit: Gerrit | undefined;
const control = await openControl(controlPort, () => gerrit);
gerrit = await startGerrit({ webUrl: control.url, ...options });
const { keyFile } = gerrit.account('admin');
console.log(
  JSON.stringify({
    port: gerrit.port,
    hostKey: gerrit.hostKey,
    control: control.url,
    dir: gerrit.dir,
    adminKeyFile: keyFile,
  }),
);

let stopping = false;
const stop = async () => {
  if (stopping) return;
  stopping = true;
  await control[Symbol.asyncDispose]();
  await gerrit?.[Symbol.asyncDispose]();
};
process.on('SIGTERM', () => void stop());
process.on('SIGINT', () => void stop());
