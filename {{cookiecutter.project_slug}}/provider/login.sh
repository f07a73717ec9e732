#!/bin/sh
# Log in at `make provider` as USER and print the access token: sh provider/login.sh USER
#
# The authorization code flow with PKCE (RFC 6749 section 4.1, RFC 7636), as /docs does it.
set -eu
provider=http://127.0.0.1:9400
redirect=http://127.0.0.1:8000/docs/oauth2-redirect

verifier=$(openssl rand -hex 32)
challenge=$(printf %s "$verifier" | openssl dgst -sha256 -binary | openssl base64 | tr '+/' '-_' | tr -d =)
location=$(curl -sSG -o /dev/null -w '%{redirect_url}' "$provider/authorize" \
  -d response_type=code -d client_id=docs -d "redirect_uri=$redirect" -d scope=openid \
  -d "code_challenge=$challenge" -d code_challenge_method=S256 -d "login_hint=persona-auto-login:$1")
code=$(echo "$location" | sed -n 's/.*[?&]code=\([^&]*\).*/\1/p')
[ -n "$code" ] || { echo "Error: $1 cannot log in." >&2; exit 1; }
curl -sS "$provider/token" -d grant_type=authorization_code -d client_id=docs \
  -d "redirect_uri=$redirect" -d "code=$code" -d "code_verifier=$verifier" |
  sed -n 's/.*"access_token": *"\([^"]*\)".*/\1/p'
