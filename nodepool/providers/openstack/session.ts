import { readFile } from 'node:fs/promises';
import { Agent, fetch, type RequestInit, type Response } from 'undici';
import { z } from 'zod';
import type { Auth, Cloud, CloudRead } from './clouds.ts';
import { CloudError, CloudMistake } from './refusal.ts';

/**
 * A login at keystone v3 (password or application credential) and calls to the services of its catalog. The token is renewed before
 * it ends, and once when a service no longer knows it; `clouds.yaml` is read again with each login, so a new password works
 * without a restart.
 */
export type Service = 'compute' | 'network' | 'image';

export interface Call {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below the service's version, with a leading slash. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number>>;
  readonly body?: unknown;
}

export interface Session extends AsyncDisposable {
  /** The answer's JSON; undefined without a body. Throws CloudError for any status but 2xx. */
  call(service: Service, call: Call, signal: AbortSignal): Promise<unknown>;
  /** Where a service is, without a trailing slash. */
  endpoint(service: Service, signal: AbortSignal): Promise<string>;
}

interface Login {
  readonly token: string;
  /** ms */
  readonly expiresAt: number;
  readonly catalog: z.infer<typeof Catalog>;
  readonly cloud: Cloud;
}

/** Queens (2018) has it; from 2.47 on a server tells its flavor's size. */
const MICROVERSION = 'compute 2.60';
const EARLY = 120_000;
/** ms for one call, whoever asks. */
const DEADLINE = 120_000;
const MAX_BODY = 64 * 1024 * 1024;

const Catalog = z.array(
  z.object({
    type: z.string(),
    endpoints: z.array(
      z.object({
        interface: z.string(),
        region_id: z.string().nullish(),
        region: z.string().nullish(),
        url: z.string(),
      }),
    ),
  }),
);
const Token = z.object({
  token: z.object({
    expires_at: z.string(),
    catalog: Catalog.default([]),
  }),
});

export function openSession(
  read: () => Promise<CloudRead>,
  options: { readonly region?: string | undefined; readonly userAgent: string; readonly now?: () => number },
): Session {
  const { now = Date.now } = options;
  let login: Promise<Login> | undefined;
  let agent: { readonly key: string; readonly made: Agent } | undefined;

  async function send(cloud: Cloud, url: string, init: RequestInit): Promise<Response> {
    try {
      const dispatcher = await agentFor(cloud);
      return await fetch(url, { ...init, redirect: 'manual', dispatcher });
    } catch (cause) {
      throw away(url, cause);
    }
  }

  /** One pool of connections; a new one when the certificates to use change. */
  async function agentFor(cloud: Cloud): Promise<Agent> {
    const verify = cloud.verify ?? cloud.insecure !== true;
    const files = await Promise.all([cloud.cacert, cloud.cert, cloud.key].map((file) => certificate(file)));
    const [ca, cert, secret] = files;
    const key = JSON.stringify([verify, ...files]);
    if (agent?.key === key) return agent.made;
    await agent?.made.close();
    const connect = {
      rejectUnauthorized: verify,
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(secret === undefined ? {} : { key: secret }),
    };
    agent = { key, made: new Agent({ connect, keepAliveTimeout: 10_000 }) };
    return agent.made;
  }

  async function logIn(outer: AbortSignal): Promise<Login> {
    const signal = AbortSignal.any([outer, AbortSignal.timeout(DEADLINE)]);
    const found = await read();
    if (found.kind === 'wrong') throw new CloudMistake(found.reason);
    const { cloud } = found;
    const url = `${identityOf(cloud.auth.auth_url)}/auth/tokens`;
    const response = await send(cloud, url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json',
        'user-agent': options.userAgent,
      },
      body: JSON.stringify({ auth: authBody(cloud.auth) }),
      signal,
    });
    const text = await bodyOf(response, url);
    if (response.status !== 201) throw refusal(response, text, url);
    const parsed = Token.safeParse(parse(text, url));
    const token = response.headers.get('x-subject-token');
    if (!parsed.success || token === null) throw new CloudError(502, `${url} answered no token`);
    const { expires_at: until, catalog } = parsed.data.token;
    return { token, expiresAt: Date.parse(until), catalog, cloud };
  }

  /** One login for all who need it now. */
  async function loggedIn(signal: AbortSignal): Promise<Login> {
    const known = await login?.catch(() => undefined);
    if (known !== undefined && known.expiresAt - EARLY > now()) return known;
    const mine = logIn(signal);
    login = mine;
    try {
      return await mine;
    } catch (caught) {
      if (login === mine) login = undefined;
      throw caught;
    }
  }

  async function attempt(used: Login, service: Service, call: Call, outer: AbortSignal) {
    const signal = AbortSignal.any([outer, AbortSignal.timeout(DEADLINE)]);
    const { method = 'GET', path, query = {}, body } = call;
    const url = new URL(`${endpointOf(used, service, options.region)}${path}`);
    for (const [key, value] of Object.entries(query)) url.searchParams.append(key, String(value));
    const response = await send(used.cloud, url.href, {
      method,
      headers: {
        accept: 'application/json',
        'x-auth-token': used.token,
        'user-agent': options.userAgent,
        ...(service === 'compute' ? { 'openstack-api-version': MICROVERSION } : {}),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal,
    });
    return { response, text: await bodyOf(response, url.href), url: url.href };
  }

  return {
    async call(service, call, signal) {
      const used = await loggedIn(signal);
      let answer = await attempt(used, service, call, signal);
      if (answer.response.status === 401) {
        // Revoked, or keystone forgot it: once more with a new one.
        login = undefined;
        answer = await attempt(await loggedIn(signal), service, call, signal);
      }
      const { response, text, url } = answer;
      if (!response.ok) throw refusal(response, text, url);
      return text.trim() === '' ? undefined : parse(text, url);
    },
    endpoint: async (service, signal) => endpointOf(await loggedIn(signal), service, options.region),
    async [Symbol.asyncDispose]() {
      const last = agent;
      agent = undefined;
      await last?.made.close();
    },
  };
}

/** `http://host/identity`, `http://host:5000`, `.../v3/` → `.../v3`. */
export function identityOf(url: string): string {
  const plain = url.replace(/\/+$/, '');
  return plain.endsWith('/v3') ? plain : `${plain.replace(/\/v2\.0$/, '')}/v3`;
}

export function authBody(auth: Auth): object {
  const user = namedOr(
    auth.username,
    auth.user_id,
    auth.user_domain_name ?? auth.domain_name,
    auth.user_domain_id ?? auth.domain_id,
  );
  if (auth.application_credential_secret !== undefined) {
    const secret = auth.application_credential_secret;
    const { application_credential_id: id, application_credential_name: name } = auth;
    // It is bound to a project: a request with a scope is refused.
    const credential = id !== undefined ? { id, secret } : { name, user, secret };
    return { identity: { methods: ['application_credential'], application_credential: credential } };
  }
  const project = namedOr(
    auth.project_name,
    auth.project_id,
    auth.project_domain_name ?? auth.user_domain_name ?? auth.domain_name,
    auth.project_domain_id ?? auth.user_domain_id ?? auth.domain_id,
  );
  return {
    identity: { methods: ['password'], password: { user: { ...user, password: auth.password } } },
    scope: { project },
  };
}

/** A name beats an id, as in openstacksdk; names live in domains, `default` where none is given. */
function namedOr(
  name: string | undefined,
  id: string | undefined,
  domainName: string | undefined,
  domainId: string | undefined,
): object {
  if (name === undefined) return { id };
  return { name, domain: domainName === undefined ? { id: domainId ?? 'default' } : { name: domainName } };
}

const SUFFIX: Readonly<Record<Service, string>> = { compute: '', network: '/v2.0', image: '/v2' };

function endpointOf({ catalog, cloud }: Login, service: Service, region: string | undefined): string {
  const override = cloud[`${service}_endpoint_override`];
  const wanted = region ?? cloud.region_name;
  const face = cloud.interface.replace(/URL$/, '');
  const fits = (each: {
    interface: string;
    region_id?: string | null | undefined;
    region?: string | null | undefined;
  }) => each.interface === face && (wanted === undefined || (each.region_id ?? each.region) === wanted);
  const found = catalog.filter(({ type }) => type === service).flatMap(({ endpoints }) => endpoints);
  const url = typeof override === 'string' ? override : found.find(fits)?.url;
  if (url === undefined) {
    const at = wanted === undefined ? '' : ` in region ${wanted}`;
    const has = [...new Set(found.map(({ interface: its, region_id: id }) => `${its} in ${id ?? '?'}`))].join(
      ', ',
    );
    throw new CloudMistake(`the cloud has no ${face} endpoint for ${service}${at}; it has ${has || 'none'}`);
  }
  const plain = url.replace(/\/+$/, '');
  return /\/v\d+(\.\d+)?(\/[0-9a-f]+)?$/.test(plain) ? plain : `${plain}${SUFFIX[service]}`;
}

async function certificate(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  try {
    return await readFile(file, 'utf8');
  } catch {
    throw new CloudMistake(`cannot read ${file}, which clouds.yaml names`);
  }
}

async function bodyOf(response: Response, url: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of response.body ?? []) {
      size += chunk.length;
      if (size > MAX_BODY) throw new CloudError(502, `${url} answered more than ${MAX_BODY} bytes`);
      chunks.push(chunk);
    }
  } catch (cause) {
    if (cause instanceof CloudError) throw cause;
    throw away(url, cause);
  }
  return Buffer.concat(chunks).toString();
}

function parse(text: string, url: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CloudError(502, `${url} answered something that is not JSON`, { cause });
  }
}

/** `{"forbidden": {"code": 403, "message": "..."}}`, `{"NeutronError": {"message": "..."}}`, `{"error": ...}`, or HTML. */
function refusal(response: Response, text: string, url: string): CloudError {
  const where = new URL(url);
  const words =
    messageIn(text) ??
    text
      .replace(/<[^>]*>/g, ' ')
      .replace(/\s+/g, ' ')
      .trim()
      .slice(0, 300);
  const after = Number(response.headers.get('retry-after')) * 1000;
  return new CloudError(
    response.status,
    `${words || `status ${response.status}`} (${where.host}${where.pathname})`,
    {
      retryAfter: after > 0 ? after : undefined,
    },
  );
}

function messageIn(text: string): string | undefined {
  try {
    const json: unknown = JSON.parse(text);
    for (const inner of Object.values(json ?? {})) {
      if (typeof inner === 'object' && inner !== null && 'message' in inner) return String(inner.message);
    }
  } catch {
    // Not JSON: the caller shows the text.
  }
  return undefined;
}

function away(url: string, caught: unknown): CloudError {
  const cause = caught instanceof Error && caught.cause instanceof Error ? caught.cause : caught;
  const words = cause instanceof Error ? cause.message : String(cause);
  return new CloudError(0, `no answer from ${new URL(url).host}: ${words}`, { cause: caught });
}
