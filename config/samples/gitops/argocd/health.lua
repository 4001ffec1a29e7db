-- SPDX-License-Identifier: Apache-2.0
-- Health of OAuthVendor, BYOCCredential and BrokerClient for Argo CD. Healthy
-- means that every ready broker serves this generation of the object.
local health = { status = "Progressing", message = "waiting for the operator" }
if obj.status == nil or obj.status.conditions == nil then
  return health
end
local found = {}
for _, condition in ipairs(obj.status.conditions) do
  found[condition.type] = condition
end
local function current(condition)
  return condition.observedGeneration == nil or condition.observedGeneration == obj.metadata.generation
end
for _, name in ipairs({ "Accepted", "ResolvedRefs", "CredentialsValid" }) do
  local condition = found[name]
  if condition ~= nil and current(condition) and condition.status == "False" then
    health.status = "Degraded"
    health.message = condition.reason .. ": " .. (condition.message or "")
    return health
  end
end
local ready = found["Ready"]
if ready ~= nil and current(ready) and ready.status == "True" then
  health.status = "Healthy"
  health.message = "served by every broker"
elseif ready ~= nil and current(ready) then
  health.message = ready.reason .. ": " .. (ready.message or "")
end
return health
