-- Asks Valetkey before a request passes: puts the token on it, or answers with the refusal. Reports a
-- token that Salesforce refused, so that the next request has another one.

local URL = "http://127.0.0.1:8080/gateway/billing"
local KEY = assert(os.getenv("VALETKEY_KEY"), "VALETKEY_KEY is not set")
local TOKEN_WAIT_MS = 12000

local function ask(method, uri, rejected)
  return core.httpclient():get({
    url = URL,
    headers = {
      ["authorization"] = { "Bearer " .. KEY },
      ["x-original-method"] = { method },
      ["x-original-uri"] = { uri },
      ["x-valetkey-rejected"] = { rejected },
    },
    timeout = TOKEN_WAIT_MS,
  })
end

-- The first value of a header, whose list begins with 0 or 1.
local function first(headers, name)
  local values = headers and headers[name]
  return values and (values[0] or values[1])
end

local function refuse(txn, answer)
  local status = answer and answer.status or 0
  local reply = txn:reply()
  reply:set_status(status >= 400 and status or 503)
  for _, name in ipairs({ "content-type", "retry-after", "x-valetkey-code", "x-valetkey-status" }) do
    local value = first(answer and answer.headers, name)
    if value then reply:add_header(name, value) end
  end
  reply:set_body(answer and answer.body or "")
  txn:done(reply)
end

core.register_action("valetkey", { "http-req" }, function(txn)
  local method, uri = txn.sf:method(), txn.sf:pathq()
  local answer = ask(method, uri, "")
  local token = first(answer and answer.headers, "authorization")
  local host = first(answer and answer.headers, "x-salesforce-instance-host")
  if not (answer and answer.status == 200 and token and host) then return refuse(txn, answer) end
  txn.http:req_set_header("authorization", token)
  txn.http:req_set_header("host", host)
  local id = first(answer.headers, "x-valetkey-token-id")
  txn:set_priv({ method = method, uri = uri, id = id })
end)

core.register_action("valetkey_rejected", { "http-res" }, function(txn)
  local asked = txn:get_priv()
  if asked and asked.id then ask(asked.method, asked.uri, asked.id) end
end)
