import { z } from 'zod';
import { Status } from '../definition/condition.ts';
import {
  type After,
  type Limits,
  type MailExt,
  MailMoment,
  type Publisher,
  type PublisherOf,
} from '../definition/publisher.ts';
import { type NativeStep, Step, writeStep } from './step.ts';
import { compact, Patterns, type Written, writePatterns } from './words.ts';

/**
 * What happens when the steps are over. In this order: `results` judge, `after` cleans up and collects, `artifacts` are kept,
 * `mail` tells; `publish` is a list of all kinds for those who need another order.
 */

const LimitsOf = z
  .strictObject({
    unstable: z.number().optional(),
    'unstable-new': z.number().optional(),
    failure: z.number().optional(),
    'failure-new': z.number().optional(),
  })
  .default({})
  .transform((given): Limits => {
    const { unstable, failure, 'unstable-new': unstableNew, 'failure-new': failureNew } = given;
    return {
      ...(unstable === undefined ? {} : { unstable }),
      ...(unstableNew === undefined ? {} : { unstableNew }),
      ...(failure === undefined ? {} : { failure }),
      ...(failureNew === undefined ? {} : { failureNew }),
    };
  });

function writeLimits({ unstable, unstableNew, failure, failureNew }: Limits): unknown {
  const limits = compact({ unstable, 'unstable-new': unstableNew, failure, 'failure-new': failureNew });
  return Object.keys(limits).length === 0 ? undefined : limits;
}

export const Result = z.union([
  z
    .strictObject({
      junit: Patterns,
      'allow-empty': z.boolean().default(false),
      unstable: z.boolean().default(true).describe('Failed tests make the build unstable.'),
      health: z.number().default(1),
    })
    .transform(
      (given): Publisher => ({
        kind: 'junit',
        include: given.junit,
        allowEmpty: given['allow-empty'],
        unstable: given.unstable,
        health: given.health,
      }),
    ),
  z
    .strictObject({
      xunit: z
        .array(
          z.strictObject({
            files: Patterns,
            'skip-if-none': z.boolean().default(false),
            'stop-on-error': z.boolean().default(true),
          }),
        )
        .min(1),
      percent: z.boolean().default(false).describe('Limits are percents.'),
      failed: LimitsOf,
      skipped: LimitsOf,
    })
    .transform(
      ({ xunit, percent, failed, skipped }): Publisher => ({
        kind: 'xunit',
        reports: xunit.map((report) => ({
          include: report.files,
          skipIfNone: report['skip-if-none'],
          stopOnError: report['stop-on-error'],
        })),
        percent,
        failed,
        skipped,
      }),
    ),
  z
    .strictObject({
      find: z.string().describe('A pattern of Java.'),
      files: Patterns.optional(),
      console: z.boolean().default(false),
      result: z.enum(['SUCCESS', 'UNSTABLE', 'FAILURE', 'NOT_BUILT']).default('FAILURE'),
    })
    .transform(
      ({ find, files, console, result }): Publisher => ({
        kind: 'text-finder',
        pattern: find,
        include: files ?? [],
        console,
        result,
      }),
    ),
]);

export const Artifact = z.union([
  z
    .string()
    .min(1)
    .transform((pattern): Publisher => archive([pattern], {})),
  z
    .strictObject({
      files: Patterns,
      except: Patterns.optional(),
      optional: z.boolean().default(true).describe('No file is no failure.'),
      'only-if-success': z.boolean().default(false),
      everything: z.boolean().optional().describe('Also `.git` and what editors leave behind.'),
    })
    .transform((given): Publisher => {
      const { files, except = [], optional, everything } = given;
      const rest = everything === undefined ? {} : { everything };
      return archive(files, {
        exclude: except,
        allowEmpty: optional,
        onlyIfSuccess: given['only-if-success'],
        ...rest,
      });
    }),
  z
    .strictObject({
      scp: z.string().describe('One of `scp-sites` of the site.'),
      files: z
        .array(
          z.strictObject({
            files: Patterns.optional(),
            target: z.string().min(1),
            console: z.boolean().default(false),
            'after-failure': z.boolean().default(true),
            'keep-hierarchy': z.boolean().default(false),
          }),
        )
        .min(1),
    })
    .transform(
      ({ scp, files }): Publisher => ({
        kind: 'scp',
        site: scp,
        files: files.map((file) => ({
          include: file.files ?? [],
          target: file.target,
          console: file.console,
          afterFailure: file['after-failure'],
          keepHierarchy: file['keep-hierarchy'],
        })),
      }),
    ),
]);

function archive(include: string[], options: Partial<PublisherOf<'archive'>>): Publisher {
  return { exclude: [], allowEmpty: true, onlyIfSuccess: false, ...options, kind: 'archive', include };
}

/** Steps after a build as they are written, plug-ins among them. */
export type NativeAfter = Omit<After, 'steps'> & { readonly steps: readonly NativeStep[] };
export type NativePublisher = Publisher | NativeAfter;

export const AfterSteps = z
  .strictObject({
    outcome: z.array(Status).min(1).default(['SUCCESS', 'UNSTABLE', 'FAILURE', 'NOT_BUILT', 'ABORTED']),
    steps: z.array(Step).min(1),
    unstable: z
      .boolean()
      .default(false)
      .describe('A failing step makes a successful build unstable, not failed.'),
  })
  .transform(
    ({ outcome, steps, unstable }): NativeAfter => ({ kind: 'after', on: outcome, steps, unstable }),
  );

const Recipients = z
  .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
  .transform((given) => [given].flat());

export const Mail = z.union([
  z
    .strictObject({ to: Recipients, 'every-unstable': z.boolean().default(true) })
    .transform(
      (given): Publisher => ({ kind: 'mail', recipients: given.to, everyUnstable: given['every-unstable'] }),
    ),
  z
    .strictObject({
      to: Recipients,
      moments: z.array(MailMoment).min(1),
      subject: z.string(),
      body: z.string(),
      from: z.string().optional(),
      'reply-to': z.array(z.string()).default([]),
      html: z.boolean().default(false),
      'attach-log': z.boolean().default(false),
      'compress-log': z.boolean().default(false),
      attachments: Patterns.optional(),
    })
    .transform(
      (given): MailExt => ({
        kind: 'mail-ext',
        recipients: given.to,
        ...(given.from === undefined ? {} : { from: given.from }),
        replyTo: given['reply-to'],
        html: given.html,
        subject: given.subject,
        body: given.body,
        attachLog: given['attach-log'],
        compressLog: given['compress-log'],
        attachments: given.attachments ?? [],
        on: given.moments,
      }),
    ),
]);

export const Publish = z.union([
  Result,
  z.strictObject({ archive: Artifact }).transform(({ archive: kept }): Publisher => kept),
  z.strictObject({ after: AfterSteps }).transform(({ after }): NativeAfter => after),
  z.strictObject({ mail: Mail }).transform(({ mail }): Publisher => mail),
  z
    .strictObject({
      plugin: z.string().describe("A publisher of the site's own."),
      options: z.unknown().optional(),
    })
    .transform(({ plugin, options }): Publisher => ({ kind: 'own', name: plugin, options: options ?? null })),
]);

/** The key under which a publisher stands, and in which order these keys are run. */
const PLACES = ['results', 'after', 'artifacts', 'mail'] as const;
type PlaceOf = (typeof PLACES)[number];

const PLACE_OF: Readonly<Record<Publisher['kind'], PlaceOf | undefined>> = {
  junit: 'results',
  xunit: 'results',
  'text-finder': 'results',
  after: 'after',
  archive: 'artifacts',
  scp: 'artifacts',
  mail: 'mail',
  'mail-ext': 'mail',
  own: undefined,
};

/** Under their own keys where these give the same order, else under `publish`. */
export function writePublishers(publishers: readonly Publisher[]): Record<string, unknown> {
  const places = publishers.map(({ kind }) => PLACE_OF[kind]);
  const ordered = places.every((place, index) => {
    const before = places[index - 1];
    return place !== undefined && (before === undefined || PLACES.indexOf(before) <= PLACES.indexOf(place));
  });
  if (!ordered)
    return { publish: publishers.map((publisher) => wrapped(publisher, PLACE_OF[publisher.kind])) };
  return Object.fromEntries(
    PLACES.flatMap((place) => {
      const here = publishers.filter((publisher) => PLACE_OF[publisher.kind] === place);
      return here.length === 0 ? [] : [[place, here.map(writePublisher)]];
    }),
  );
}

function wrapped(publisher: Publisher, place: PlaceOf | undefined): Written {
  const written = writePublisher(publisher);
  if (place === 'artifacts') return { archive: written };
  return place === 'after' || place === 'mail' ? { [place]: written } : written;
}

function writePublisher(publisher: Publisher): Written {
  const except = (patterns: readonly string[]) =>
    patterns.length === 0 ? undefined : writePatterns(patterns);
  switch (publisher.kind) {
    case 'archive': {
      const { include, exclude, allowEmpty, onlyIfSuccess, everything } = publisher;
      const [first, ...others] = include;
      const plain = exclude.length === 0 && allowEmpty && !onlyIfSuccess && everything === undefined;
      if (plain && first !== undefined && others.length === 0) return first;
      return compact({
        files: writePatterns(include),
        except: except(exclude),
        optional: allowEmpty ? undefined : false,
        'only-if-success': onlyIfSuccess || undefined,
        everything,
      });
    }
    case 'scp':
      return {
        scp: publisher.site,
        files: publisher.files.map((file) =>
          compact({
            files: except(file.include),
            target: file.target,
            console: file.console || undefined,
            'after-failure': file.afterFailure ? undefined : false,
            'keep-hierarchy': file.keepHierarchy || undefined,
          }),
        ),
      };
    case 'junit':
      return compact({
        junit: writePatterns(publisher.include),
        'allow-empty': publisher.allowEmpty || undefined,
        unstable: publisher.unstable ? undefined : false,
        health: publisher.health === 1 ? undefined : publisher.health,
      });
    case 'xunit':
      return compact({
        xunit: publisher.reports.map((report) =>
          compact({
            files: writePatterns(report.include),
            'skip-if-none': report.skipIfNone || undefined,
            'stop-on-error': report.stopOnError ? undefined : false,
          }),
        ),
        percent: publisher.percent || undefined,
        failed: writeLimits(publisher.failed),
        skipped: writeLimits(publisher.skipped),
      });
    case 'text-finder':
      return compact({
        find: publisher.pattern,
        files: except(publisher.include),
        console: publisher.console || undefined,
        result: publisher.result,
      });
    case 'after':
      return writeAfter(publisher);
    case 'mail':
      return compact({
        to: publisher.recipients,
        'every-unstable': publisher.everyUnstable ? undefined : false,
      });
    case 'mail-ext':
      return compact({
        to: publisher.recipients,
        moments: publisher.on,
        subject: publisher.subject,
        body: publisher.body,
        from: publisher.from,
        'reply-to': publisher.replyTo.length === 0 ? undefined : publisher.replyTo,
        html: publisher.html || undefined,
        'attach-log': publisher.attachLog || undefined,
        'compress-log': publisher.compressLog || undefined,
        attachments: except(publisher.attachments),
      });
    case 'own':
      break;
  }
  return { plugin: publisher.name, options: publisher.options };
}

function writeAfter({ on, steps, unstable }: After): Written {
  return compact({ outcome: on, steps: steps.map(writeStep), unstable: unstable || undefined });
}
