/* SPDX-License-Identifier: MIT */
/*
 * Jumps of all kinds for compilers to make: tables of a switch, labels as values, tail calls
 * through pointers, cold code. Prints a sum so that nothing is left out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline))

typedef unsigned long word;
typedef word op(word a, word b);

static NOINLINE word mix(word a, word b)
{
	__asm__ volatile("" : "+r"(a));
	return a * 31 + b;
}

static NOINLINE word dense(unsigned kind, word a)
{
	switch (kind) {
	case 0:
		return mix(a, 7);
	case 1:
		return mix(a, a) ^ 5;
	case 2:
		a = mix(a, 11) + mix(a, 13);
		break;
	case 3:
		a ^= mix(a, 17);
		break;
	case 4:
		a -= mix(3, a);
		/* fall through */
	case 5:
		a += mix(a, 2);
		break;
	case 7:
		return a >> 3;
	case 8:
		a = mix(a >> 1, a << 1);
		break;
	case 9:
		puts("nine");
		break;
	default:
		return mix(kind, a);
	}
	return mix(a, kind);
}

/* A loop around a switch: many ways back to its head. */
static NOINLINE word parse(const char *s)
{
	word a = 0;

	for (; *s; s++) {
		switch (*s) {
		case 'a':
			a += 3;
			break;
		case 'b':
			a = mix(a, 4);
			continue;
		case 'c':
			a ^= 0x55;
			break;
		case 'd':
			if (a & 1)
				goto odd;
			a >>= 1;
			break;
		case 'e':
		odd:
			a = a * 3 + 1;
			break;
		case 'f':
			a = dense((unsigned)(a % 11), a);
			break;
		case 'h':
			return a;
		default:
			a++;
		}
		a = mix(a, (word)*s);
	}
	return a;
}

/* Labels as values. */
static NOINLINE word interpret(const unsigned char *code, word a)
{
	static const void *const at[] = {&&add, &&sub, &&mul, &&xor, &&stop};

	goto *at[*code];
add:
	a += *++code;
	goto *at[*++code];
sub:
	a -= *++code;
	goto *at[*++code];
mul:
	a *= *++code | 1;
	goto *at[*++code];
	xor : a = mix(a ^ *++code, a);
	goto *at[*++code];
stop:
	return a;
}

static word plus(word a, word b)
{
	return a + mix(b, 1);
}

static word minus(word a, word b)
{
	return mix(a, 2) - b;
}

static op *const ops[] = {plus, minus, mix};
static op *volatile chosen = minus;

/* Tail calls: by a table, by a pointer, by an argument, direct. */
static NOINLINE word by_table(unsigned i, word a)
{
	return ops[i % 3](a, i);
}

static NOINLINE word by_pointer(word a)
{
	return chosen(a, 9);
}

static NOINLINE word by_argument(op *f, word a)
{
	if (a & 2)
		return f(a, a);
	return a;
}

static NOINLINE word direct(word a)
{
	return mix(a + 1, 5);
}

static NOINLINE void check(word a)
{
	if (__builtin_expect(a == 12345, 0)) {
		fprintf(stderr, "unlikely\n");
		exit(3);
	}
}

int main(void)
{
	static const unsigned char code[] = {0, 3, 1, 9, 2, 4, 3, 8, 0, 1, 4};
	word a = 1;

	for (unsigned i = 0; i < 40; i++) {
		a = dense(i % 12, a);
		a = by_table(i, a);
		a = by_argument(i & 1 ? plus : minus, a);
		a = direct(by_pointer(a));
		check(a);
	}
	a = mix(a, parse("abcdefghij"));
	a = mix(a, parse("fdfdeecabxyz"));
	a = interpret(code, a);
	printf("%lu\n", a % 1000);
	return 0;
}
