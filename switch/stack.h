/* SPDX-License-Identifier: Apache-2.0 */
/* stack.h - the SIP library with our types as its callbacks' context. Include this, never nta.h itself. */
#ifndef SWITCH_STACK_H
#define SWITCH_STACK_H

#include <stdbool.h>

struct leg;
struct worker;
struct call;
struct reliable_sent;

#define NTA_AGENT_MAGIC_T struct worker
#define NTA_LEG_MAGIC_T struct leg
#define NTA_INCOMING_MAGIC_T void
#define NTA_RELIABLE_MAGIC_T struct reliable_sent
#define NTA_OUTGOING_MAGIC_T void
#define SU_ROOT_MAGIC_T struct worker
#define SU_TIMER_ARG_T void

#include <sofia-sip/nta.h>
#include <sofia-sip/nta_stateless.h>
#include <sofia-sip/nta_tport.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_tag.h>
#include <sofia-sip/sip_util.h>
#include <sofia-sip/su_log.h>
#include <sofia-sip/su_tag.h>
#include <sofia-sip/su_wait.h>
#include <sofia-sip/tport.h>
#include <sofia-sip/tport_tag.h>

#endif
