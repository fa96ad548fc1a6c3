/* SPDX-License-Identifier: MIT */
/* Entries where a jump may not fit (tiny_entries.S), each called five times; steps() once. */
#include <stdio.h>

int tiny_ret(void);
int tiny_loop(int n);
int tiny_after(void);
int roomy(void);
int steps(int n);

int main(void)
{
	int sum = 0;

	for (int i = 0; i < 5; i++) {
		tiny_ret();
		sum += tiny_loop(3) + tiny_after() + roomy();
	}
	printf("%d\n", sum);
	return steps(6) != 24;
}
