import { z } from 'zod';
import { NativeFile } from '../../jobs/native/job.ts';
import { CommandError } from '../client.ts';
import { LayoutFile } from '../schema/layout.ts';
import { Site } from '../sitekeys.ts';

/** `stackgate schema site|layout|jobs`: JSON Schema for editors, made from what checks the files. */

const SCHEMAS: Readonly<Record<string, { readonly title: string; readonly schema: z.ZodType }>> = {
  site: { title: 'stackgate.yaml', schema: Site },
  layout: { title: 'layout.yaml', schema: LayoutFile },
  jobs: { title: 'Stackgate jobs in the native form', schema: NativeFile },
};

export function schema(name: string): number {
  process.stdout.write(`${JSON.stringify(schemaOf(name), null, 2)}\n`);
  return 0;
}

export function schemaOf(name: string): object {
  const found = Object.hasOwn(SCHEMAS, name) ? SCHEMAS[name] : undefined;
  if (found === undefined)
    throw new CommandError(`there is no schema ${name}`, 2, `one of ${Object.keys(SCHEMAS).join(', ')}`);
  const { title, schema: shape } = found;
  return { ...z.toJSONSchema(shape, { io: 'input', unrepresentable: 'any' }), title };
}
