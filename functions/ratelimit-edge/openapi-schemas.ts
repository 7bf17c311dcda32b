// The shapes of the API's bodies, as JSON Schema. A test holds real answers against them.

import { limitMax } from '#lib/buckets/limits.ts';
import { OUTCOMES } from '#lib/outcome.ts';
import { operatorSchemas, order, product } from './openapi-operator-schemas.ts';
import {
  arrayOf,
  boardKind,
  instant,
  object,
  orderId,
  productId,
  quantity,
  type Schema,
  text,
  tier,
  whole,
} from './openapi-shapes.ts';

const limit = object({
  rate: { type: 'integer', minimum: 1, maximum: limitMax, description: 'Tokens a second.' },
  capacity: { type: 'integer', minimum: 1, maximum: limitMax, description: 'Tokens.' },
});

const place = object(
  {
    rank: { type: 'integer', minimum: 1 },
    name: { ...text, description: 'A pseudonym of this buyer in this sale.' },
    score: { type: 'number' },
    firstAt: instant,
    quantity: { type: 'integer', minimum: 1 },
  },
  ['firstAt', 'quantity'],
);

const placeReference = { $ref: '#/components/schemas/Place' };

export const schemas: Readonly<Record<string, Schema>> = {
  ...operatorSchemas,
  Purchase: object({ quantity }),
  Acceptance: object({ orderId, productId, quantity }),
  Product: object(product),
  Order: object(order, ['reason']),
  Place: place,
  Board: object(
    { productId, by: boardKind, entries: arrayOf(placeReference), me: placeReference },
    ['me'],
  ),
  HotProduct: object({ rank: { type: 'integer', minimum: 1 }, productId, sold: whole }),
  Limit: limit,
  Limits: object({
    user: limit,
    ip: { anyOf: [limit, { type: 'null' }] },
    product: limit,
    global: limit,
    products: { type: 'object', additionalProperties: limit },
    warnings: arrayOf({ ...text, description: 'What the operator should know about them.' }),
  }),
  SignIn: object(
    {
      provider: {
        ...object(
          {
            issuer: text,
            authorization_endpoint: text,
            token_endpoint: text,
            end_session_endpoint: text,
            id_token_signing_alg_values_supported: arrayOf(text),
            authorization_response_iss_parameter_supported: { type: 'boolean' },
          },
          [
            'end_session_endpoint',
            'id_token_signing_alg_values_supported',
            'authorization_response_iss_parameter_supported',
          ],
        ),
        description: 'From its discovery document (OpenID Connect Discovery 1.0).',
      },
      clientId: text,
      scope: text,
      parameters: {
        ...object({ resource: text, audience: text }, ['resource', 'audience']),
        description: 'Further parameters of the authorization and the token request.',
      },
    },
    ['provider', 'clientId', 'scope', 'parameters'],
  ),
  Problem: {
    description: 'RFC 9457. `outcome` is stable; `detail` names the field that is wrong.',
    type: 'object',
    properties: {
      type: text,
      title: text,
      status: { type: 'integer' },
      outcome: { type: 'string', enum: Object.keys(OUTCOMES) },
      detail: text,
      opensAt: { ...instant, description: 'With `not_open`, where it is known.' },
      left: { ...whole, description: 'With `sold_out`: above 0 a smaller quantity may do.' },
      tier: { ...tier, description: 'With `rate_limited`.' },
      'violated-policies': {
        ...arrayOf(tier),
        description:
          'With `rate_limited`: the policies of RateLimit-Policy by which it is refused.',
      },
    },
    required: ['type', 'title', 'status', 'outcome'],
  },
};

/** A reference to one of the schemas above. */
export function ref(name: string): Schema {
  if (!Object.hasOwn(schemas, name)) throw new Error(`there is no schema ${name}`);
  return { $ref: `#/components/schemas/${name}` };
}

export function listOf(name: string, items: Schema): Schema {
  return object({ [name]: arrayOf(items) });
}
