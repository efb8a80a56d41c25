/* SPDX-License-Identifier: Apache-2.0 */
/* purse_script.h - what runs inside Redis. Amounts are millionths: whole numbers below 2^53, exact in Lua. */
#ifndef SWITCH_PURSE_SCRIPT_H
#define SWITCH_PURSE_SCRIPT_H

/* A sign of life. KEYS owners, epoch. ARGV owner, its wall clock, this Redis' run_id, node, dead after ms, dead after
 * ms if of the same node. Returns {known before?, epoch, its age in ms, how many of the same node live, dead owner, its
 * last wall clock, ...}. */
static const char purse_script_beat[] =
	"local t = redis.call('TIME')\n"
	"local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"
	"local epoch = redis.call('GET', KEYS[2])\n"
	"if not epoch or string.match(epoch, '^(.*):%d+$') ~= ARGV[3] then\n"
	"  epoch = ARGV[3] .. ':' .. string.format('%.0f', now)\n"
	"  redis.call('SET', KEYS[2], epoch)\n"
	"end\n"
	"local reply = {redis.call('HEXISTS', KEYS[1], ARGV[1]), epoch, now - tonumber(string.match(epoch, "
	"':(%d+)$')), 0}\n"
	"redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now) .. ' ' .. ARGV[2])\n"
	"local all = redis.call('HGETALL', KEYS[1])\n"
	"local mine = ARGV[4] .. '/'\n"
	"for i = 1, #all, 2 do\n"
	"  local at, wall = string.match(all[i + 1], '^(%d+) (%d+)$')\n"
	"  local same = string.sub(all[i], 1, #mine) == mine\n"
	"  if all[i] ~= ARGV[1] and now - tonumber(at) > tonumber(ARGV[same and 6 or 5]) then\n"
	"    reply[#reply + 1] = all[i]\n"
	"    reply[#reply + 1] = wall\n"
	"  elseif all[i] ~= ARGV[1] and same then\n"
	"    reply[4] = reply[4] + 1\n"
	"  end\n"
	"end\n"
	"return reply\n";

/* For the scripts that recall: KEYS[n] recalls, a hash carrier -> Redis ms. A recall is made if the last is
 * age ms old, and is over after 1 s: by then all nodes have looked and their calls have given back. */
#define PURSE_SCRIPT_RECALL(key, carrier, age)                                                                         \
	"local t = redis.call('TIME')\n"                                                                               \
	"local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"                                                          \
	"local at = tonumber(redis.call('HGET', " key ", " carrier ") or 0)\n"                                         \
	"if now - at >= " age " then\n"                                                                                \
	"  at = now\n"                                                                                                 \
	"  redis.call('HSET', " key ", " carrier ", string.format('%.0f', now))\n"                                     \
	"  redis.call('PEXPIRE', " key ", 60000)\n"                                                                    \
	"end\n"

/* Ask for a total. KEYS money, leases, epoch, recalls. ARGV epoch, owner, call, limit, balance, version, first, least,
 * wanted, carrier, what is known. Returns 1 least, 2 wanted, 0 refused, 3 refused unless other calls give back what
 * they were now asked for, -1 balance unknown, -2 another epoch or lease gone. */
static const char purse_script_grant[] =
	"if redis.call('GET', KEYS[3]) ~= ARGV[1] then return -2 end\n"
	"local version = tonumber(redis.call('HGET', KEYS[1], 'version') or -1)\n"
	"if tonumber(ARGV[6]) > version then\n"
	"  redis.call('HSET', KEYS[1], 'balance', ARGV[5], 'version', ARGV[6])\n"
	"  version = tonumber(ARGV[6])\n"
	"end\n"
	"if version < 0 then return -1 end\n"
	"local free, own, reserved, all = tonumber(ARGV[4]), 0, 0, redis.call('HGETALL', KEYS[1])\n"
	"for i = 1, #all, 2 do\n"
	"  if all[i] == 'balance' then free = free + tonumber(all[i + 1])\n"
	"  elseif string.sub(all[i], 1, 2) == 'r:' then reserved = reserved + tonumber(all[i + 1]) end\n"
	"  if all[i] == 'r:' .. ARGV[2] then own = tonumber(all[i + 1]) end\n"
	"end\n"
	"free = free - reserved\n"
	"local held, field = 0, redis.call('HGET', KEYS[2], ARGV[3])\n"
	"if field then held = tonumber(string.match(field, '^%d+ (%d+)'))\n"
	"elseif ARGV[7] == '0' then return -2 end\n"
	"local word, total = 2, tonumber(ARGV[9])\n"
	"if ARGV[8] == ARGV[9] or (total - held) * 10 > free then word, total = 1, tonumber(ARGV[8]) end\n"
	"if total - held > free then\n"
	"  if total > free + reserved then return 0 end\n" PURSE_SCRIPT_RECALL(
		"KEYS[4]", "ARGV[10]",
		"2000") "  if now - at < 1000 then return 3 end\n"
			"  return 0\n"
			"end\n"
			"redis.call('HSET', KEYS[2], ARGV[3], ARGV[10] .. ' ' .. string.format('%.0f', total) .. ' ' "
			".. ARGV[11])\n"
			"redis.call('HSET', KEYS[1], 'r:' .. ARGV[2], string.format('%.0f', own + total - held))\n"
			"return word\n";

/* Say what a call holds. KEYS money, leases. ARGV owner, call, carrier, micro (negative: nothing any more), what is
 * known.
 */
static const char purse_script_put[] =
	"local held, field, total = 0, redis.call('HGET', KEYS[2], ARGV[2]), tonumber(ARGV[4])\n"
	"if field then held = tonumber(string.match(field, '^%d+ (%d+)')) end\n"
	"if total < 0 then\n"
	"  redis.call('HDEL', KEYS[2], ARGV[2])\n"
	"  total = 0\n"
	"else\n"
	"  redis.call('HSET', KEYS[2], ARGV[2], ARGV[3] .. ' ' .. ARGV[4] .. ' ' .. ARGV[5])\n"
	"end\n"
	"local own = tonumber(redis.call('HGET', KEYS[1], 'r:' .. ARGV[1]) or 0) + total - held\n"
	"redis.call('HSET', KEYS[1], 'r:' .. ARGV[1], string.format('%.0f', own))\n"
	"return 1\n";

/* Recall if more is held than is there. KEYS money, recalls. ARGV limit, carrier. Returns 1 if so, else 0. */
static const char purse_script_overdrawn[] =
	"local free, all = tonumber(ARGV[1]), redis.call('HGETALL', KEYS[1])\n"
	"for i = 1, #all, 2 do\n"
	"  if all[i] == 'balance' then free = free + tonumber(all[i + 1])\n"
	"  elseif string.sub(all[i], 1, 2) == 'r:' then free = free - tonumber(all[i + 1]) end\n"
	"end\n"
	"if free >= 0 then return 0 end\n" PURSE_SCRIPT_RECALL("KEYS[2]", "ARGV[2]", "0") "return 1\n";

/* The version of the balance. KEYS money. */
static const char purse_script_version[] = "return tonumber(redis.call('HGET', KEYS[1], 'version') or -1)\n";

/* A balance, unless a newer one is there. KEYS money. ARGV balance, version. */
static const char purse_script_balance[] =
	"if tonumber(ARGV[2]) > tonumber(redis.call('HGET', KEYS[1], 'version') or -1) then\n"
	"  redis.call('HSET', KEYS[1], 'balance', ARGV[1], 'version', ARGV[2])\n"
	"end\n"
	"return 1\n";

#endif
