import { z } from 'zod';

const Node = z.object({
  $ref: z.string().optional(),
  get properties() {
    return z.record(z.string(), Node).optional();
  },
  get additionalProperties() {
    return z.union([Node, z.boolean()]).optional();
  },
  get items() {
    return z.union([Node, z.boolean()]).optional();
  },
  get anyOf() {
    return z.array(Node).optional();
  },
  get $defs() {
    return z.record(z.string(), Node).optional();
  },
});
type Node = z.infer<typeof Node>;

/** The keys that a schema knows at a path, read off the schema itself. */
export function schemaKeys(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  const root = Node.parse(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }));
  const branches = (node: Node, depth = 0): Node[] => {
    const name = node.$ref?.replace(/^#\/\$defs\//, '');
    const target = name === undefined ? undefined : root.$defs?.[name];
    if (target !== undefined && depth < 5) return branches(target, depth + 1);
    return node.anyOf === undefined ? [node] : node.anyOf.flatMap((each) => branches(each, depth + 1));
  };
  let nodes = branches(root);
  for (const key of path) {
    nodes = nodes.flatMap(({ properties, additionalProperties, items }) => {
      const child = typeof key === 'number' ? items : (properties?.[String(key)] ?? additionalProperties);
      return typeof child === 'object' ? branches(child) : [];
    });
  }
  return nodes.flatMap(({ properties }) => Object.keys(properties ?? {}));
}
