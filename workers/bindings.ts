import type { JobDefinition } from '../jobs/definition.ts';
import { agentKey } from '../jobs/script/generated.ts';
import type { BuildAction } from '../pipelines/action.ts';
import type { SealedParams, Secret, SecretAsker, Secrets, StagedFile } from '../pipelines/ports.ts';

/** The secrets of a build, as its steps see them and as nobody else does. */
export interface Bound {
  readonly env: Readonly<Record<string, string>>;
  /** Of these, the password parameters: given to this build, or the job's defaults. */
  readonly params: Readonly<Record<string, string>>;
  readonly files: readonly StagedFile[];
  /** Texts that no console and no artifact may show. */
  readonly hidden: readonly string[];
  /** Sentences about secrets that could not be had. */
  readonly missing: readonly string[];
}

/** A line of a file that is shorter says nothing, and hiding it would tear the console apart. */
const shortestLine = 12;

/** What a build may know: the secrets of the site (undefined: it keeps none) and what was given to this build alone. */
export interface Keepers {
  readonly secrets: Secrets | undefined;
  readonly sealed: SealedParams | undefined;
}

/** Values of password parameters, given or not, are hidden as well. */
export async function bindSecrets(
  job: JobDefinition,
  action: BuildAction,
  { secrets, sealed }: Keepers,
  signal: AbortSignal,
): Promise<Bound> {
  const asker: SecretAsker = { job: action.job, pipeline: action.pipeline };
  const env: Record<string, string> = {};
  const files: StagedFile[] = [];
  const missing: string[] = [];
  const given = action.sealed === undefined ? {} : await sealed?.open(action.sealed.request);
  if (given === undefined) missing.push('the secret parameters it was given are not there any more');
  const defaults = (job.passwords ?? []).flatMap((name): [string, string][] => {
    const value = action.params[name] ?? job.parameters[name];
    return value === undefined ? [] : [[name, value]];
  });
  const params = { ...Object.fromEntries(defaults), ...given };
  Object.assign(env, params);
  const hidden = Object.values(params);
  for (const [index, binding] of (job.bindings ?? []).entries()) {
    const secret = await secrets?.reveal(binding.secret, asker, signal);
    if (secret === undefined) {
      if (binding.kind === 'ssh-agent' && binding.optional) continue;
      const name = JSON.stringify(binding.secret);
      missing.push(`the site has no secret ${name} for job ${asker.job} in pipeline ${asker.pipeline}`);
      continue;
    }
    hidden.push(...hiddenOf(secret));
    switch (binding.kind) {
      case 'text':
        env[binding.variable] = textOf(secret);
        break;
      case 'pair': {
        const text = textOf(secret);
        const at = text.indexOf(':');
        const [user, password] = at < 0 ? ['', text] : [text.slice(0, at), text.slice(at + 1)];
        env[binding.user] = user;
        env[binding.password] = password;
        hidden.push(password);
        break;
      }
      case 'file':
        files.push(fileOf(secret, `secret-${index}`, binding.variable));
        break;
      case 'ssh-agent':
        files.push(fileOf(secret, `agent-${index}`, agentKey(index)));
    }
  }
  return { env, params, files, hidden: hidden.filter((text) => text !== ''), missing };
}

function textOf(secret: Secret): string {
  return secret.kind === 'text'
    ? secret.text
    : Buffer.from(secret.content).toString('utf8').replace(/\n$/, '');
}

function fileOf(secret: Secret, folder: string, variable: string): StagedFile {
  const name =
    secret.kind === 'file' ? secret.name.replace(/[^A-Za-z0-9._-]/g, '_').replace(/^\.+/, '_') : 'secret';
  const content = secret.kind === 'file' ? secret.content : `${secret.text.replace(/\n?$/, '')}\n`;
  return { path: `${folder}/${name || 'secret'}`, content, executable: false, variable };
}

function hiddenOf(secret: Secret): string[] {
  if (secret.kind === 'text') return [secret.text];
  const lines = Buffer.from(secret.content).toString('utf8').split(/\r?\n/);
  return lines.filter((line) => line.trim().length >= shortestLine);
}
