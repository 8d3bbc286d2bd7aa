-- Signed pushes for wrk, each under a delivery id of its own, but every tenth is sent twice. What is answered goes
-- into a file: the id under which the delivery was stored, and what was decided.
-- Arguments: the file of prepared pushes, the file of answers.

local pushes, answers
local sent = 0

function init(arguments)
  pushes = dofile(arguments[1])
  answers = io.open(arguments[2], "w")
  answers:setvbuf("line")
end

function request()
  local number = sent
  sent = sent + 1
  if number % 10 == 9 then
    number = number - 1
  end
  local push = pushes[number % #pushes + 1]
  return wrk.format("POST", nil, {
    ["Content-Type"] = "application/json",
    ["User-Agent"] = "GitHub-Hookshot/0000000",
    ["X-GitHub-Event"] = "push",
    ["X-GitHub-Delivery"] = string.format("00000000-0000-4000-8000-%012d", number),
    ["X-Hub-Signature-256"] = push.signature,
  }, push.body)
end

function response(status, headers, body)
  local stored = body:match('"delivery":"([^"]+)"')
  if stored then
    answers:write(stored, " ", body:match('"decision":"([^"]+)"'), "\n")
  end
end
