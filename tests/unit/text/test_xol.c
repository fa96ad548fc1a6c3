/* SPDX-License-Identifier: MIT */
/*
 * Slots for displaced instructions with a real trap path: what is executed, whose slot it is, what
 * others see of it. Those that share, wait and race are in test_xol_share.c.
 */
#include "xol_fixture.h"

#define FLAGS_ALL 0x8d5ull
#define FLAGS_FIXED 0x202ull

struct regs {
	uint64_t rdi, rsi, rdx, rcx, r8, r9, rax, rbx, rbp, r10, r11, r12, r13, r14, r15, flags;
};

void text_call(struct regs *r, uint64_t fn);

static struct text_xol_counts before;

static void count_from_here(void)
{
	before = text_xol_counts();
}

#define COUNTED(what) (text_xol_counts().what - before.what)

/* Nothing but what the instruction does: registers, flags, memory. */
static void executes(void **state)
{
	static const uint64_t flags[] = {0, FLAGS_ALL, 1, 0x800, 0x44};
	uint64_t cell = 5, at = (uint64_t)adder(), lea;
	struct regs r, want;

	(void)state;
	lea = function("\x4c\x8d\x14\x37", 4, "", 0); /* lea (%rdi,%rsi), %r10 */
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		for (size_t k = 0; k < sizeof(r) / 8; k++)
			((uint64_t *)&r)[k] = 0x1111 * (k + 1);
		r.flags = FLAGS_FIXED | flags[i];
		want = r;
		want.r10 = r.rdi + r.rsi;
		text_call(&r, lea);
		assert_memory_equal(&r, &want, sizeof(r));

		r.rdi = want.rdi = (uint64_t)&cell;
		r.rsi = 7;
		cell = 5;
		want.rsi = want.rax = 5;
		text_call(&r, at);
		want.flags = FLAGS_FIXED | 4; /* 12: two bits, even parity */
		assert_memory_equal(&r, &want, sizeof(r));
		assert_int_equal(cell, 12);
	}
	assert_int_equal(busy_slots(fix.area), 0);
}

/* The 128 bytes below a leaf's stack pointer stay as they are. */
static void red_zone(void **state)
{
	/* mov %rdi, -8(%rsp) ... -128(%rsp) are done by the test before: here push nothing, read
	 * the last word: displaced; then the first */
	uint64_t at = function("\x48\x8b\x44\x24\x80", 5, "\x48\x03\x44\x24\xf8", 5);
	uint64_t sum;

	(void)state;
	__asm__ volatile("movq $40, -136(%%rsp)\n\tmovq $2, -16(%%rsp)\n\t"
			 "call *%1\n\t"
			 : "=a"(sum)
			 : "r"(at)
			 : "memory", "cc");
	assert_int_equal(sum, 42);
}

/* mov value(%rip), %rax: the value stands 32 bytes behind the function's start */
static uint64_t relative(void)
{
	uint64_t value = 0x123456789abcdef0, at;

	at = function("\x48\x8b\x05\x19\0\0\0", 7, "", 0);
	mprotect(fix.code, 4096, PROT_READ | PROT_WRITE);
	memcpy((void *)(at + 32), &value, sizeof(value));
	mprotect(fix.code, 4096, PROT_READ | PROT_EXEC);
	return at;
}

static void near_operand(void **state)
{
	uint64_t at = relative();

	(void)state;
	assert_int_equal(((fn *)at)(NULL, 0), 0x123456789abcdef0);
	assert_true((int64_t)(fix.area->code - at) == (int32_t)(fix.area->code - at));
}

static void far_operand(void **state)
{
	(void)state;
	assert_int_equal(text_xol_open(0, 0, 65, &fix.area), 0);
	fix.far = true;
	assert_int_equal(((fn *)relative())(NULL, 0), 0x123456789abcdef0);
}

/* Seed defect, and a third of its cycles: contents are written when the site changes, only then. */
static void contents_are_kept(void **state)
{
	fn *a = counter(1), *b = counter(2);
	uint64_t cell = 0;

	(void)state;
	count_from_here();
	for (int i = 0; i < 1000; i++)
		a(&cell, 0);
	assert_int_equal(COUNTED(rewrites), 1);
	assert_int_equal(COUNTED(claims), 1);
	for (int i = 0; i < 10; i++) {
		b(&cell, 0);
		a(&cell, 0);
	}
	assert_int_equal(COUNTED(rewrites), 21);
	assert_int_equal(COUNTED(claims), 1);
	assert_int_equal(cell, 1000 + 10 + 20);
	assert_int_equal(fix.area->used, 1);
}

/* At every instruction in the slot: where the program would be without it. */
static struct {
	uint64_t ip, next, sp;
	unsigned int here, behind;
	fn *nested;
	uint64_t cell;
} walk;

static void walk_step(ucontext_t *uc)
{
	uint64_t ip = *reg(uc, REG_RIP), sp = *reg(uc, REG_RSP);

	CHECK(text_xol_original(&ip, &sp));
	CHECK(sp == walk.sp);
	CHECK(ip == walk.ip || ip == walk.next);
	walk.here += ip == walk.ip;
	walk.behind += ip == walk.next;
	if (walk.nested) {
		uint64_t keep = trap_sp;

		fix.step = false;
		walk.nested(&walk.cell, 0);
		fix.step = true;
		trap_sp = keep;
	}
}

static void walk_through(uint64_t at, void *arg)
{
	uint64_t n = (at - (uint64_t)fix.code) / STRIDE;

	walk.ip = fix.site[n].insn.ip;
	walk.next = fix.site[n].insn.next;
	walk.here = walk.behind = 0;
	fix.stepped = walk_step;
	fix.step = true;
	__asm__ volatile("lea -8(%%rsp), %%rax\n\tmov %%rax, %0" : "=m"(walk.sp) : : "rax");
	__asm__ volatile("call *%1"
			 : "+D"(arg)
			 : "r"(at)
			 : "rax", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc");
	fix.step = false;
}

static void translated_everywhere(void **state)
{
	uint64_t cell = 0, at = (uint64_t)counter(3), ip = (uint64_t)&cell, sp = 7;

	(void)state;
	memset(&walk, 0, sizeof(walk));
	walk_through(at, &cell);
	assert_int_equal(cell, 3);
	assert_int_equal(walk.here, 1);
	assert_int_equal(walk.behind, 5); /* jmp, lea, push, mov, ret */
	assert_false(text_xol_original(&ip, &sp));
	assert_int_equal(ip, (uint64_t)&cell);
	assert_int_equal(sp, 7);
	/* a slot that never had a content */
	ip = fix.area->code + 5 * ARCH_SLOT_SIZE;
	assert_false(text_xol_original(&ip, &sp));
}

/* A signal handler on top of each instruction of the slot meets a trap itself. */
static void nested_everywhere(void **state)
{
	uint64_t cell = 0, at = (uint64_t)counter(3);

	(void)state;
	memset(&walk, 0, sizeof(walk));
	walk.nested = counter(1);
	for (int i = 0; i < 100; i++)
		walk_through(at, &cell);
	assert_int_equal(cell, 300);
	assert_int_equal(walk.cell, 600);
	assert_int_equal(fix.area->used, 2);
	assert_int_equal(busy_slots(fix.area), 0);
	/* the same site */
	walk.nested = (fn *)at;
	walk.cell = 0;
	walk_through(at, &cell);
	assert_int_equal(cell, 303);
	assert_int_equal(walk.cell, 18);
	assert_int_equal(fix.area->used, 2);
}

/* More levels than a thread remembers slots, and more than the area is for. */
static uint32_t levels;
static fn *nest;

static void nest_deeper(ucontext_t *uc)
{
	uint64_t cell = 0;

	(void)uc;
	if (levels++ < 20) {
		nest(&cell, 1);
		CHECK(cell == 1);
	}
}

static void nested_deeply(void **state)
{
	uint64_t cell = 0;

	(void)state;
	use_limit(1);
	nest = adder();
	levels = 0;
	count_from_here();
	fix.stepped = nest_deeper;
	fix.step = true;
	nest(&cell, 1);
	fix.step = false;
	assert_int_equal(cell, 1);
	assert_true(levels > 20);
	assert_int_equal(COUNTED(waits), 0); /* whoever holds a slot must not wait for one */
	assert_int_equal(fix.area->used, 21);
	assert_int_equal(busy_slots(fix.area), 0);
}

/* A fault in the slot: the program's handler sees the instruction, and may go on with it. */
static struct {
	sigjmp_buf back;
	uint64_t ip, sp, addr;
	bool abandon, repair, stay;
} fault;

static void on_own_fault(int sig, siginfo_t *si, void *arg)
{
	ucontext_t *uc = arg;

	(void)sig;
	fault.ip = *reg(uc, REG_RIP);
	fault.sp = *reg(uc, REG_RSP);
	fault.addr = (uint64_t)si->si_addr;
	if (fault.abandon) {
		CHECK(text_xol_abandon(&fault.ip, &fault.sp));
		*reg(uc, REG_RIP) = fault.ip;
		*reg(uc, REG_RSP) = fault.sp;
	} else {
		CHECK(text_xol_original(&fault.ip, &fault.sp));
	}
	if (fault.repair) {
		mprotect(gate.page, 4096, PROT_READ);
		return;
	}
	siglongjmp(fault.back, 1);
}

static fn *faulting(void)
{
	fn *f = reader();

	gate_close(0);
	memset(&fault, 0, sizeof(fault));
	handle(SIGSEGV, on_own_fault, SA_NODEFER);
	return f;
}

static void fault_is_the_originals(void **state)
{
	fn *f = faulting();

	(void)state;
	fault.abandon = true;
	if (!sigsetjmp(fault.back, 1)) {
		f(gate.page, 0);
		fail();
	}
	assert_int_equal(fault.ip, (uint64_t)f);
	assert_int_equal(fault.sp, trap_sp);
	assert_int_equal(fault.addr, (uint64_t)gate.page);
	assert_int_equal(busy_slots(fix.area), 0);
	/* the handler repairs: the instruction is met again */
	fault.repair = true;
	count_from_here();
	assert_int_equal(f(gate.page, 0), 0);
	assert_int_equal(fault.ip, (uint64_t)f);
	assert_int_equal(COUNTED(claims), 0);
	assert_int_equal(fix.area->used, 1);
}

/* Without that, in the slot, a handler that repairs goes on in it. */
static void fault_repaired_in_place(void **state)
{
	fn *f = faulting();

	(void)state;
	fault.repair = true;
	assert_int_equal(f(gate.page, 0), 0);
	assert_int_equal(fault.ip, (uint64_t)f);
	assert_int_equal(busy_slots(fix.area), 0);
}

/* Left by longjmp: found at the thread's next trap at that depth, and not at one below it. */
static void __attribute__((noinline)) deeper(fn *f, void *arg)
{
	char room[4096];

	__asm__ volatile("" : : "r"(room) : "memory");
	f(arg, 0);
	__asm__ volatile("" : : "r"(room) : "memory");
}

static void left_by_longjmp(void **state)
{
	fn *f = faulting(), *other = counter(1);
	uint64_t cell = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		if (!sigsetjmp(fault.back, 1)) {
			f(gate.page, 0);
			fail();
		}
		assert_int_equal(busy_slots(fix.area), 1);
	}
	assert_int_equal(fix.area->used, 1);
	count_from_here();
	deeper(other, &cell);
	assert_int_equal(COUNTED(left), 0);
	assert_int_equal(busy_slots(fix.area), 1);
	other(&cell, 0);
	assert_int_equal(COUNTED(left), 1);
	assert_int_equal(busy_slots(fix.area), 0);
	assert_int_equal(fix.area->used, 2);
}

/*
 * A handler on an alternate stack, above the ordinary one, has interrupted a slot: what is trapped
 * there must not take it away. (The thread's stack is below the memory that this one gives it.)
 */
static fn *above;

static void trap_above(ucontext_t *uc)
{
	uint64_t cell = 0;

	(void)uc;
	above(&cell, 0);
	CHECK(cell == 1);
	CHECK(trap_sp > (uint64_t)uc->uc_stack.ss_sp);
	CHECK(trap_sp > *reg(uc, REG_RSP));
}

static void *on_alternate(void *arg)
{
	stack_t ss = {.ss_sp = arg, .ss_size = 64 << 10}, none = {.ss_flags = SS_DISABLE};
	struct text_xol_counts counts;

	CHECK(sigaltstack(&ss, NULL) == 0);
	gate.within = trap_above;
	gate_open();
	CHECK(((fn *)fix.site[0].insn.ip)(gate.page, 0) == 0);
	counts = text_xol_counts();
	CHECK(counts.left == 0);
	CHECK(counts.claims == 2);
	sigaltstack(&none, NULL);
	return NULL;
}

static void alternate_stack(void **state)
{
	uint64_t memory[(64 << 10) / 8];

	(void)state;
	reader();
	above = counter(1);
	gate_close(SA_ONSTACK);
	in_thread(on_alternate, memory);
	assert_int_equal(busy_slots(fix.area), 0);
}

/* Nothing is concluded about a stack that is not known, nor after the stack pointer has moved. */
static void not_taken_for_left(void **state)
{
	static const struct text_xol_insn still, moves = {.moves_stack = true};
	struct text_xol_area *a;
	uint64_t slot[4];

	(void)state;
	use_limit(16);
	a = fix.area;
	slot[0] = text_xol_get(a, &still, 1000, TEXT_XOL_ANY_STACK);
	slot[1] = text_xol_get(a, &still, 2000, TEXT_XOL_ANY_STACK);
	assert_true(slot[0] != slot[1]);
	slot[2] = text_xol_get(a, &moves, 1000, 0);
	assert_true(text_xol_get(a, &still, 2000, 0) != slot[2]);
	/* each on its own stack */
	slot[3] = text_xol_get(a, &still, 5000, 4096);
	assert_true(text_xol_get(a, &still, 8000, 0) != slot[3]);
	assert_int_equal(a->used, 5); /* 2000 was left for 8000 */
	assert_int_equal(text_xol_get(a, &still, 5000, 4096), slot[3]);
	text_xol_exit();
	assert_int_equal(busy_slots(a), 0);
}

/* An instruction that sets the stack pointer: xchg %rsp, %rdi; xchg %rsp, %rdi */
static void moved_stack(void **state)
{
	static uint64_t other[512];
	uint64_t at = function("\x48\x87\xe7", 3, "\x48\x87\xe7", 3);

	(void)state;
	assert_true(fix.site[0].insn.moves_stack);
	((fn *)at)(&other[500], 0);
	assert_int_equal(busy_slots(fix.area), 0);
}

/* Not writable where it is executable, and the other way round; there after all threads. */
static void *hits_once(void *arg)
{
	uint64_t cell = 0;

	((fn *)arg)(&cell, 0);
	return NULL;
}

static void memory(void **state)
{
	fn *f = counter(1);

	(void)state;
	in_thread(hits_once, f);
	assert_string_equal(maps_at(fix.area->code), "r-xs");
	assert_string_equal(maps_at(fix.area->alias), "rw-s");
	assert_string_equal(maps_at((uint64_t)fix.area->slot), "rw-p");
	assert_false(maps_any_wx());
}

static void areas(void **state)
{
	uint64_t start = (uint64_t)fix.code;
	struct text_xol_area *a, *b;

	(void)state;
	assert_int_equal(text_xol_open(start, start + 4096, 0, &a), 0);
	assert_int_equal(a->limit, TEXT_XOL_LIMIT);
	assert_int_equal(a->capacity, 2 * TEXT_XOL_LIMIT);
	assert_int_equal(text_xol_open(start + 4096, start + 8192, 0, &b), 0);
	assert_ptr_equal(a, b);
	assert_int_equal(text_xol_open(FREE_LAND, FREE_LAND + 4096, 0, &b), 0);
	assert_ptr_not_equal(a, b);
	assert_int_equal(text_xol_open(0, 0, 0, &a), 0); /* any will do */
	assert_int_equal(text_xol_open(FREE_LAND, FREE_LAND + (5ull << 30), 0, &a),
			 SONDE_E_NO_SPACE_NEAR);
}

static void unfit(void **state)
{
	struct wire_fixup fixup = {.kind = WIRE_FIX_REL32, .at = 1, .target = 0x1000};
	struct text_xol_insn insn = {.len = 5, .nfix = 1, .fix = &fixup};

	(void)state;
	use_limit(64);
	assert_int_equal(text_xol_fits(fix.area, &insn), SONDE_E_NO_SPACE_NEAR);
	insn.bias = fix.area->code;
	assert_int_equal(text_xol_fits(fix.area, &insn), 0);
	/* in reach of the first slot, not of the last */
	insn.bias = fix.area->code - 0x80000000ull - 0x1000 + 100;
	assert_int_equal(text_xol_fits(fix.area, &insn), SONDE_E_NO_SPACE_NEAR);
	fixup.at = 2;
	assert_int_equal(text_xol_fits(fix.area, &insn), SONDE_E_RELOCATE);
	fixup.at = 1;
	fixup.kind = WIRE_FIX_STUB32;
	assert_int_equal(text_xol_fits(fix.area, &insn), SONDE_E_RELOCATE);
	insn.nfix = 0;
	insn.len = ARCH_SLOT_HEAD + 1;
	assert_int_equal(text_xol_fits(fix.area, &insn), SONDE_E_RELOCATE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(executes),
		TEST(red_zone),
		TEST(near_operand),
		TEST(far_operand),
		TEST(contents_are_kept),
		TEST(translated_everywhere),
		TEST(nested_everywhere),
		TEST(nested_deeply),
		TEST(fault_is_the_originals),
		TEST(fault_repaired_in_place),
		TEST(left_by_longjmp),
		TEST(alternate_stack),
		TEST(not_taken_for_left),
		TEST(moved_stack),
		TEST(memory),
		TEST(areas),
		TEST(unfit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
