import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { didYouMean } from '../../../jobs/problem.ts';
import { readYaml } from '../../../jobs/yaml.ts';

/**
 * `clouds.yaml` as openstacksdk reads it: the first of `$OS_CLIENT_CONFIG_FILE`, `./clouds.yaml`, `~/.config/openstack/`, `/etc/openstack/`,
 * with `secure.yaml` of the same places laid over it. Without a name `$OS_CLOUD` says which cloud; the `OS_*` variables alone
 * are a cloud called `envvars`.
 */

const text = z.coerce.string().optional();
const Auth = z.looseObject({
  auth_url: text,
  username: text,
  user_id: text,
  password: text,
  user_domain_name: text,
  user_domain_id: text,
  project_name: text,
  project_id: text,
  project_domain_name: text,
  project_domain_id: text,
  domain_name: text,
  domain_id: text,
  application_credential_id: text,
  application_credential_name: text,
  application_credential_secret: text,
});
export type Auth = z.infer<typeof Auth>;

const Cloud = z.looseObject({
  auth: Auth.default({}),
  auth_type: text,
  region_name: text,
  interface: z.coerce.string().default('public'),
  verify: z.boolean().optional(),
  insecure: z.boolean().optional(),
  cacert: text,
  cert: text,
  key: text,
  networks: z
    .array(z.looseObject({ name: z.string(), routes_externally: z.boolean().optional() }))
    .optional(),
});
export type Cloud = z.infer<typeof Cloud>;

export type CloudRead =
  | { readonly kind: 'cloud'; readonly cloud: Cloud & { readonly auth: { readonly auth_url: string } } }
  | { readonly kind: 'wrong'; readonly reason: string };

type Json = Readonly<Record<string, unknown>>;

export async function readCloud(
  name: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
): Promise<CloudRead> {
  const wanted = name ?? env['OS_CLOUD'];
  const plain = await firstFile('clouds', env['OS_CLIENT_CONFIG_FILE']);
  if (plain?.kind === 'wrong') return plain;
  if (wanted === undefined || wanted === 'envvars') return checked(fromVariables(env), 'the OS_* variables');
  if (plain === undefined)
    return wrong(`there is no clouds.yaml to find the cloud ${JSON.stringify(wanted)} in`);
  const secure = await firstFile('secure', env['OS_CLIENT_SECURE_FILE']);
  if (secure?.kind === 'wrong') return secure;
  const entry = plain.clouds[wanted];
  if (!isJson(entry)) {
    const near = didYouMean(wanted, Object.keys(plain.clouds));
    const known = Object.keys(plain.clouds).join(', ') || 'none';
    const meant = near === undefined ? `it has ${known}` : `did you mean ${near}?`;
    return wrong(`${plain.file} has no cloud ${JSON.stringify(wanted)}; ${meant}`);
  }
  const over = secure?.clouds[wanted];
  return checked(isJson(over) ? overlaid(entry, over) : entry, `${wanted} in ${plain.file}`);
}

async function firstFile(
  kind: 'clouds' | 'secure',
  named: string | undefined,
): Promise<{ kind: 'read'; file: string; clouds: Json } | { kind: 'wrong'; reason: string } | undefined> {
  const file = `${kind}.yaml`;
  const places =
    named === undefined
      ? [file, join(homedir(), '.config/openstack', file), join('/etc/openstack', file)]
      : [named];
  for (const place of places) {
    const content = await readFile(place, 'utf8').catch(() => undefined);
    if (content === undefined) continue;
    const { value, problems } = readYaml({ name: place, text: content });
    const bad = problems.find(({ severity }) => severity === 'error');
    if (bad !== undefined) return wrong(`${place}:${bad.at?.line ?? 1}: ${bad.message}`);
    const clouds = isJson(value) && isJson(value['clouds']) ? value['clouds'] : {};
    return { kind: 'read', file: place, clouds };
  }
  return named === undefined ? undefined : wrong(`cannot read ${named}`);
}

function checked(entry: Json, where: string): CloudRead {
  const read = Cloud.safeParse(entry);
  if (!read.success) {
    const issue = read.error.issues[0];
    return wrong(`${where}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not a cloud'}`);
  }
  const { auth } = read.data;
  const { auth_url: url } = auth;
  if (url === undefined) return wrong(`${where}: auth.auth_url is missing`);
  const credential = auth.application_credential_secret !== undefined;
  if (!credential && auth.password === undefined)
    return wrong(`${where}: auth has neither a password nor an application_credential_secret`);
  return { kind: 'cloud', cloud: { ...read.data, auth: { ...auth, auth_url: url } } };
}

function fromVariables(env: NodeJS.ProcessEnv): Json {
  const auth: Record<string, string> = {};
  for (const key of Object.keys(Auth.shape)) {
    const value = env[`OS_${key.toUpperCase()}`];
    if (value !== undefined && value !== '') auth[key] = value;
  }
  const cloud: Record<string, unknown> = { auth };
  for (const key of ['region_name', 'interface', 'cacert', 'cert', 'key']) {
    const value = env[`OS_${key.toUpperCase()}`];
    if (value !== undefined && value !== '') cloud[key] = value;
  }
  return cloud;
}

/** What is laid over wins, deep inside too. */
function overlaid(under: Json, over: Json): Json {
  const all: Record<string, unknown> = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const below = all[key];
    all[key] = isJson(below) && isJson(value) ? overlaid(below, value) : value;
  }
  return all;
}

function wrong(reason: string): { kind: 'wrong'; reason: string } {
  return { kind: 'wrong', reason };
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
