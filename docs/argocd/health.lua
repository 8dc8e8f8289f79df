-- The health of a ClusterBackupWatch for Argo CD. See docs/gitops.md for where it goes.
--
-- Healthy says that the watch works, as kstatus does. A bad backup is told in the message: it must not hold back the sync of
-- an application that may be its cure. Set this to true where a bad backup should turn the application Degraded.
local bad_backup_is_degraded = false

local status = obj.status
-- A change is not seen as done before the operator has looked at it.
if status == nil or status.conditions == nil or status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "waiting for the operator" }
end

local conditions = {}
for _, condition in ipairs(status.conditions) do
  conditions[condition.type] = condition
end

local function text(condition)
  if condition.message == nil or condition.message == "" then
    return condition.reason
  end
  return condition.reason .. ": " .. condition.message
end

local ready = conditions["Ready"]
if ready == nil then
  return { status = "Progressing", message = "waiting for the operator" }
end
-- Only a person can help.
local stalled = conditions["Stalled"]
if stalled ~= nil and stalled.status == "True" then
  return { status = "Degraded", message = text(stalled) }
end
-- The first poll, or polls that fail and are tried again.
if ready.status ~= "True" then
  return { status = "Progressing", message = text(ready) }
end
-- A requested poll got no answer.
local reconciling = conditions["Reconciling"]
if reconciling ~= nil and reconciling.status == "True" then
  return { status = "Progressing", message = text(reconciling) }
end
if ready.reason == "Suspended" then
  return { status = "Suspended", message = text(ready) }
end

local backup = conditions["BackupHealthy"]
if backup == nil then
  return { status = "Healthy", message = text(ready) }
end
if backup.status == "False" and bad_backup_is_degraded then
  return { status = "Degraded", message = text(backup) }
end
return { status = "Healthy", message = text(backup) }
