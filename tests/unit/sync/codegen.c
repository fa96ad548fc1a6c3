/* SPDX-License-Identifier: MIT */
/* A section as a user's compiler makes it; codegen.py looks at the machine code. */
#include <sonde/domain.h>

struct thing {
	long value;
};

long codegen_read(struct sonde_domain *d, struct thing **where);

/* What was known of the object before the section is not taken for what is in it. */
int codegen_again(struct sonde_domain *d, struct thing **where);

int codegen_again(struct sonde_domain *d, struct thing **where)
{
	struct thing *old = *where, *now;

	sonde_domain_enter(d);
	now = *where;
	sonde_domain_leave(d);
	return now == old;
}

long codegen_read(struct sonde_domain *d, struct thing **where)
{
	long value;

	sonde_domain_enter(d);
	value = (*where)->value;
	sonde_domain_leave(d);
	return value;
}
