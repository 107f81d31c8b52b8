// An issuer of identity tokens. CLIENT_SECRET holds the secret of its client `ci`. It prints its URL, and a line for each token.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const client_secret = process.env.CLIENT_SECRET;
const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
  const provider = new Provider(issuer, {
    jwks: { keys: [{ ...key, kid: 'of-the-test', use: 'sig', alg: 'RS256' }] },
    ttl: { ClientCredentials: 300 },
    clients: [{ client_id: 'ci', client_secret, grant_types: ['client_credentials'], response_types: [], redirect_uris: [] }],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context, audience) => ({
          scope: 'ci', audience, accessTokenTTL: 300, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    extraTokenClaims: () => ({ repository: 'octo/app' }),
  });
  provider.on('client_credentials.issued', () => console.log('a token'));
  server.on('request', provider.callback());
  console.log(`listening on ${issuer}`);
});
