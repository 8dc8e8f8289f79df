-- Runs docs/argocd/health.lua over every verdict: lua5.4 tests/gitops/health_test.lua, from the root of the repository.
-- Argo CD runs scripts in Lua 5.1 without most libraries, so the script gets no library at all here but what it uses.

local function read(path)
  local file = assert(io.open(path))
  local text = file:read("a")
  file:close()
  return text
end

local function trim(text)
  return text:match("^%s*(.-)%s*$")
end

local source = read("docs/argocd/health.lua")
local strict, changed = source:gsub("bad_backup_is_degraded = false", "bad_backup_is_degraded = true")
assert(changed == 1, "health.lua has no switch bad_backup_is_degraded")

-- A resource from the conditions of a line of verdicts.txt.
local function resource(text)
  local obj = { metadata = { generation = 1 }, status = { observedGeneration = 1 } }
  for word in text:gmatch("%S+") do
    local key, value, detail = word:match("^(%w+)=(%w+)/?([%w-]*)$")
    assert(key, "cannot read " .. word)
    if key == "generation" then
      obj.metadata.generation = tonumber(value)
      obj.status.observedGeneration = tonumber(detail)
    elseif key == "status" then
      obj.status = nil
    else
      obj.status.conditions = obj.status.conditions or {}
      table.insert(obj.status.conditions, { type = key, status = value, reason = detail, message = "as the operator says" })
    end
  end
  return obj
end

local passed, failed = 0, 0
local function check(what, wanted, script, obj)
  local run = assert(load(script, "health.lua", "t", { obj = obj, ipairs = ipairs }))
  local ok, health = pcall(run)
  local got = ok and health.status or tostring(health)
  if got == wanted and type(health.message) == "string" then
    passed = passed + 1
  else
    failed = failed + 1
    print(("%s: %s where %s is wanted"):format(what, got, wanted))
  end
  return health
end

for line in io.lines("tests/gitops/verdicts.txt") do
  if trim(line) ~= "" and line:sub(1, 1) ~= "#" then
    local fields = {}
    for field in (line .. "|"):gmatch("([^|]*)|") do
      table.insert(fields, trim(field))
    end
    assert(#fields == 6, "not six fields: " .. line)
    check(fields[1], fields[4], source, resource(fields[2]))
    check(fields[1] .. " (bad_backup_is_degraded)", fields[5], strict, resource(fields[2]))
  end
end

-- The message tells what a person needs, also where the backup does not count.
local bad = resource("Ready=True/Polled BackupHealthy=False/BackupFailed")
local health = check("the message of a bad backup", "Healthy", source, bad)
assert(health.message == "BackupFailed: as the operator says", health.message)
-- Conditions that the script does not expect do no harm.
check("no conditions", "Progressing", source, { metadata = { generation = 1 }, status = { observedGeneration = 1 } })
check("only a foreign condition", "Progressing", source, resource("Foreign=True/Yes"))
check("only Ready", "Healthy", source, resource("Ready=True/Polled"))
check("no message", "Healthy", source, {
  metadata = { generation = 1 },
  status = { observedGeneration = 1, conditions = { { type = "Ready", status = "True", reason = "Polled" } } },
})

print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0)
