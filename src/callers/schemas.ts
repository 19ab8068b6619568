/** The wire form of principals and API keys. */
import { type Static, Type } from 'typebox'
import { TEXT_FORMS } from '../http/text-forms.ts'
import type { ApiKey } from './api-key-store.ts'
import { PERMISSIONS, type Permission, type Permit } from './policy.ts'
import { REQUEST_PATTERN } from './request-pattern.ts'

const PermissionName = Type.Unsafe<Permission>({ type: 'string', enum: [...PERMISSIONS] })

const Labels = Type.Unsafe<Record<string, string>>({
  type: 'object',
  description: 'The integration must have all of these labels',
  maxProperties: 16,
  propertyNames: { type: 'string', ...TEXT_FORMS.label_key },
  additionalProperties: { type: 'string', ...TEXT_FORMS.label_value },
})

const Globs = Type.Array(
  Type.String({
    pattern: '^[a-z0-9*-]{1,128}$',
    $comment: '1 to 128 lower-case letters, digits, hyphens and *',
  }),
  {
    minItems: 1,
    maxItems: 64,
    uniqueItems: true,
    description: '`*` is any run of characters, nothing else is special',
  },
)

/** Requests to Salesforce for which `tokens:read` and `tokens:prove` count. */
export const RequestPatterns = Type.Array(Type.String({ ...REQUEST_PATTERN, maxLength: 256 }), {
  minItems: 1,
  maxItems: 64,
  uniqueItems: true,
  description:
    'Requests to Salesforce, each as `METHOD /path`. `tokens:read` then counts only at `/gateway`, for these requests. `tokens:prove` counts only with `requests`, for proofs of these requests. `*` is any method; in the path, any run of characters without a slash, and as the last segment any rest. The query is not looked at. With it, no other door hands out a token',
})

export const Networks = Type.Array(Type.String({ maxLength: 49 }), {
  minItems: 1,
  maxItems: 64,
  uniqueItems: true,
  description:
    'Networks from which the key counts: each an IP address, or a CIDR such as `10.0.0.0/8`. From elsewhere it is an unknown key. Behind a proxy, `VALETKEY_TRUST_PROXY` must name the proxy. Left out: everywhere',
})

export const WhoAmI = Type.Object(
  {
    principal: Type.String({
      description:
        '`admin`, `api-key:NAME`, `api-key:NAME#ID` (made by a caller whose `api-keys:write` is limited), `jwt:ISSUER#SUBJECT` or `mtls:ID`',
    }),
    kind: Type.Unsafe<'admin' | 'api_key' | 'jwt' | 'mtls'>({
      type: 'string',
      enum: ['admin', 'api_key', 'jwt', 'mtls'],
    }),
    name: Type.String({
      description: 'Name of the API key, or of the entry in the configuration file',
    }),
    permissions: Type.Array(
      Type.Object({
        permission: PermissionName,
        integrations: Type.Array(Type.String()),
        labels: Labels,
        requests: Type.Optional(Type.Array(Type.String())),
        networks: Type.Optional(
          Type.Array(Type.String(), { description: 'It counts from these networks only' }),
        ),
      }),
    ),
  },
  { title: 'Principal', description: 'Who you are, and what you may do' },
)

export const ApiKeyBody = Type.Object(
  {
    name: Type.String({
      ...TEXT_FORMS.name,
      description: 'The id of the principal is `api-key:NAME`',
    }),
    permissions: Type.Array(PermissionName, { minItems: 1, uniqueItems: true }),
    integrations: Globs,
    labels: Type.Optional(Labels),
    requests: Type.Optional(RequestPatterns),
    networks: Type.Optional(Networks),
    max_expires_in: Type.Optional(
      Type.Integer({
        minimum: 10,
        maximum: 86_400,
        description:
          'Most seconds that `POST /oauth/token` says as `expires_in`, for clients that keep a token for a part of its life. Left out: what is left of its life',
      }),
    ),
    expires_at: Type.Optional(
      Type.String({
        format: 'date-time',
        description:
          'No later than the end of the key that it is made with. Left out: in a year, or at that end',
      }),
    ),
  },
  { additionalProperties: false },
)

const shown = {
  id: Type.String({ description: 'The public id: the 8 characters after `vk_`' }),
  name: Type.String(),
  permissions: Type.Array(PermissionName),
  integrations: Type.Array(Type.String()),
  labels: Labels,
  requests: Type.Optional(Type.Array(Type.String())),
  networks: Type.Optional(Type.Array(Type.String())),
  max_expires_in: Type.Optional(Type.Integer()),
  created_at: Type.String({ format: 'date-time' }),
  expires_at: Type.String({ format: 'date-time' }),
  created_by: Type.String({ description: 'Id of the principal that created it' }),
  created_by_key: Type.Unsafe<string | null>({
    type: ['string', 'null'],
    description: 'Id of the API key that created it. Null: another kind of principal created it',
  }),
}

const ApiKeyView = Type.Object(shown, { title: 'API key' })

export const NewApiKey = Type.Object(
  {
    ...shown,
    key: Type.String({ description: 'The key. Only shown in this answer' }),
  },
  { title: 'New API key', description: 'The new key. Only this answer shows it' },
)

export const ApiKeyList = Type.Object(
  {
    items: Type.Array(ApiKeyView),
    next_cursor: Type.Union([Type.String(), Type.Null()]),
    corrupt: Type.Optional(
      Type.Array(Type.String(), {
        description:
          'Ids, within this page, of keys that do not verify and open nothing: revoke them. For those who may revoke every key; absent where there is none',
      }),
    ),
  },
  { title: 'API key list', description: 'A page, in order of id' },
)

export const ApiKeyQuery = Type.Object(
  {
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, default: 50 })),
    cursor: Type.Optional(Type.String({ maxLength: 256 })),
  },
  { additionalProperties: false },
)

export const RevokeQuery = Type.Object(
  {
    with: Type.Optional(
      Type.Literal('children', {
        description: 'Whether to also revoke all keys that it created, and all that those created',
      }),
    ),
  },
  { additionalProperties: false },
)

export const ApiKeyParams = Type.Object({
  id: Type.String({
    pattern: '^[0-9A-Za-z]{8}$',
    $comment: '8 letters and digits',
    description: 'Id of the API key',
  }),
})

const time = (at: number) => new Date(at).toISOString()

export function apiKeyView(key: ApiKey): Static<typeof ApiKeyView> {
  return {
    id: key.id,
    name: key.name,
    permissions: [...key.permissions],
    integrations: [...key.integrations],
    labels: { ...key.labels },
    ...(key.requests && { requests: [...key.requests] }),
    ...(key.networks && { networks: [...key.networks] }),
    ...(key.maxExpiresInSeconds !== undefined && { max_expires_in: key.maxExpiresInSeconds }),
    created_at: time(key.createdAt),
    expires_at: time(key.expiresAt),
    created_by: key.createdBy,
    created_by_key: key.createdByKey ?? null,
  }
}

export const permitView = ({ permission, integrations, labels, requests, networks }: Permit) => ({
  permission,
  integrations: [...integrations],
  labels: { ...labels },
  ...(requests && { requests: [...requests] }),
  ...(networks && { networks: [...networks] }),
})
