/* What end_access_a (domain 1, the frontend) and end_access_b (domain 2, the backend) agree on. */
#ifndef XENSIM_GUEST_PROGRAMS_END_ACCESS_H_
#define XENSIM_GUEST_PROGRAMS_END_ACCESS_H_

#include "xs.h"

#define DOMAIN_A 1
#define DOMAIN_B 2

enum { REF_STEPS = 8, REF_REQUEST }; /* grants of domain 1 */
enum { PUBLIC = 1, SECRET = 2 };     /* what the request's page holds: while it is granted, and once it is used for else */

struct steps {
  uint32_t b_is_there, a_is_done;
};

#endif
