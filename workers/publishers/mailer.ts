import { createTransport } from 'nodemailer';
import { z } from 'zod';
import { Fault } from '../../pipelines/fault.ts';

export const SmtpSettings = z.object({
  connection: z.string(),
  server: z.string().default('localhost'),
  port: z.number().int().min(1).max(65_535).default(25),
  /** TLS from the first byte; STARTTLS is used anyway where the server offers it. */
  tls: z.boolean().default(false),
  user: z.string().optional(),
  password: z.string().optional(),
  defaultFrom: z.string().default('zuul'),
  defaultTo: z.string().default('zuul'),
  deadline: z.number().int().positive().default(30_000),
});
export type SmtpSettings = z.infer<typeof SmtpSettings>;

/** The mail server of the site, for publishers. */
export interface Mailer {
  send(mail: BuildMail): Promise<void>;
}

export interface BuildMail {
  /** The same for ever for one mail of one build: a copy sent after a crash carries it again, and mail systems drop it. */
  readonly id: string;
  readonly from?: string;
  readonly to: readonly string[];
  readonly replyTo: readonly string[];
  readonly subject: string;
  readonly body: string;
  readonly html: boolean;
  readonly attachments: readonly { readonly name: string; readonly content: Buffer }[];
}

/** Throws Fault `mail-away`. */
export function smtpMailer(settings: SmtpSettings, site: string): Mailer {
  const { user, password, deadline } = settings;
  return {
    async send(mail) {
      const transport = createTransport({
        host: settings.server,
        port: settings.port,
        secure: settings.tls,
        connectionTimeout: deadline,
        greetingTimeout: deadline,
        socketTimeout: deadline,
        disableFileAccess: true,
        disableUrlAccess: true,
        ...(user === undefined ? {} : { auth: { user, pass: password ?? '' } }),
      });
      try {
        await transport.sendMail({
          messageId: `<${mail.id}@${site.replace(/[^A-Za-z0-9.-]/g, '-') || 'stackgate'}>`,
          from: address(mail.from ?? settings.defaultFrom),
          to: mail.to.map(address),
          replyTo: mail.replyTo.map(address),
          subject: oneLine(mail.subject),
          ...(mail.html ? { html: mail.body } : { text: mail.body }),
          attachments: mail.attachments.map(({ name, content }) => ({ filename: oneLine(name), content })),
          headers: { 'Auto-Submitted': 'auto-generated' },
        });
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new Fault('mail-away', `mail server ${settings.server}:${settings.port}: ${reason}`, {
          retry: true,
          cause,
        });
      } finally {
        transport.close();
      }
    },
  };
}

function address(text: string): string {
  const plain = oneLine(text);
  return plain.includes('@') ? plain : `${plain}@localhost`;
}

/** No header grows a second line. */
function oneLine(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is replaced
  return text.replace(/[\u0000-\u001f\u007f]+/g, ' ').trim();
}
