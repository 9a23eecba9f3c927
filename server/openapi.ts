import { jsonSchemaTransform } from 'fastify-type-provider-zod';
import { ProblemView } from './contract.ts';

type Transform = typeof jsonSchemaTransform;

/** Every answer that is no success is a problem (RFC 9457), and what asks for a token says so. */
export const describeRoutes: Transform = (input) => {
  const made = jsonSchemaTransform(withProblem(input));
  const { schema } = made;
  if (schema.hide === true || !needsToken(input)) return made;
  return { ...made, schema: { ...schema, security: [{ token: [] }] } };
};

function withProblem(input: Parameters<Transform>[0]): Parameters<Transform>[0] {
  const { schema } = input;
  if (schema?.hide === true) return input;
  const response = typeof schema?.response === 'object' ? schema.response : {};
  return { ...input, schema: { ...schema, response: { ...response, default: ProblemView } } };
}

/** Only routes that listen to the guard first have such a hook of their own. */
function needsToken({ route }: Parameters<Transform>[0]): boolean {
  return route.onRequest !== undefined;
}
