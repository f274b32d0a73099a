-- Plays requests that Python has written (bench/heads.py): `wrk -s load.lua URL -- FILE START`.
-- One request in the file is sent over and over without calling Lua again; several are sent in turn, from
-- number START on.

local heads = {}

function init(args)
   local file = assert(io.open(args[1], "rb"))
   for head in file:read("*a"):gmatch("(.-\r\n\r\n)") do heads[#heads + 1] = head end
   file:close()
   wrk.format = function() return heads[1] end
   if #heads > 1 then
      local turn = tonumber(args[2]) % #heads
      request = function()
         local head = heads[turn + 1]
         turn = (turn + 1) % #heads
         return head
      end
   end
end

-- The figures of `wrk --latency`, exact instead of rounded for the eye; times in microseconds.
function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '\nRESULT {"requests": %d, "duration_us": %d, "bytes": %d, "p50_us": %d, "p99_us": %d, "errors": '
         .. '{"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}}\n',
      summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
      errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
