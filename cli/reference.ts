import { z } from 'zod';
import { Site } from './sitekeys.ts';

/** `docs/configuration.md`, made from the schema that checks the file: it cannot say anything else. `npm run docs` writes it. */

const Scalar = z.union([z.string(), z.number(), z.boolean()]);
const Node = z.object({
  description: z.string().optional(),
  default: z.union([Scalar, z.array(Scalar), z.looseObject({})]).optional(),
  enum: z.array(z.string()).optional(),
  const: Scalar.optional(),
  required: z.array(z.string()).optional(),
  get properties() {
    return z.record(z.string(), Node).optional();
  },
  get additionalProperties() {
    return z.union([Node, z.boolean()]).optional();
  },
  get anyOf() {
    return z.array(Node).optional();
  },
});
type Node = z.infer<typeof Node>;

export function configurationReference(): string {
  const schema = Node.parse(z.toJSONSchema(Site, { io: 'input', unrepresentable: 'any' }));
  const lines = [
    '# Configuration',
    '',
    '`stackgate.yaml`, the site file: the file named with `--config`, else `$STACKGATE_CONFIG`, `./stackgate.yaml`,',
    '`/etc/stackgate/stackgate.yaml`. Relative paths start at the file. Durations are a number with `ms`, `s`, `m`, `h` or `d`.',
    '`stackgate config validate` checks it together with the layout and the jobs. (This page is generated: `npm run docs`.)',
    '',
    '| key | default | meaning |',
    '|---|---|---|',
    ...rows(schema, ''),
    '',
  ];
  return lines.join('\n');
}

function rows(node: Node, prefix: string): string[] {
  return Object.entries(node.properties ?? {}).flatMap(([key, child]) => {
    const name = `${prefix}${key}`;
    const own = `| \`${name}\` | ${standard(child, node.required?.includes(key) ?? false)} | ${meaning(child)} |`;
    return [own, ...inner(child, name)];
  });
}

function inner(node: Node, name: string): string[] {
  if (node.properties !== undefined) return rows(node, `${name}.`);
  const values = node.additionalProperties;
  if (typeof values !== 'object') return [];
  if (values.properties !== undefined) return rows(values, `${name}.NAME.`);
  if (values.anyOf === undefined) return [];
  return values.anyOf.flatMap((branch) => {
    const driver = branch.properties?.['driver']?.const ?? '?';
    return rows(branch, `${name}.NAME (${driver}).`);
  });
}

function standard(node: Node, required: boolean): string {
  const { default: given } = node;
  if (Array.isArray(given)) return given.map((item) => `\`${item}\``).join(', ');
  if (given !== undefined && typeof given !== 'object') return `\`${given}\``;
  return required ? '**required**' : '';
}

function meaning(node: Node): string {
  const choices =
    node.enum === undefined ? '' : ` One of ${node.enum.map((word) => `\`${word}\``).join(', ')}.`;
  return `${node.description ?? ''}${choices}`.replaceAll('|', '\\|').trim();
}
