/* SPDX-License-Identifier: MIT */
/*
 * Runs models: on the code as it is, or on one mutant after the other.
 *
 *	model run NAME [ITERATIONS]	the code as it is must pass
 *	model mutants [ITERATIONS]	each mutant must be caught by one of its models, but
 *					those that are kept for a reason
 *	model show NAME MUTANT		how a mutant goes wrong, step by step
 *	model list			names of the models
 */
#include "model.hpp"

#include <iostream>
#include <string.h>

#define DEPTH_MAX 4000 /* accesses in an iteration; more are a livelock */

static const struct model_entry *running;
static bool verbose; /* print how it went wrong, step by step */

template <int N> struct suite : rl::test_suite<suite<N>, N> {
	alignas(16) char room[MODEL_SIZE];
	model_base *m;

	static void fence_as(rl::thread_info_base *thread)
	{
		static_cast<rl::thread_info<N> *>(thread)->atomic_thread_fence_seq_cst(
			rl::ctx().seq_cst_fence_order_);
	}
	suite()
	{
		memset(model.info, 0, sizeof(model.info));
		model.fence_as = fence_as;
		m = running->make(room);
	}
	~suite()
	{
		m->~model_base();
	}
	void thread(unsigned int index)
	{
		/* who is not running yet is not interrupted, but has had a fence when it runs */
		model.info[index] = rl::ctx().threadx_;
		fence_as(model.info[index]);
		m->thread(index);
	}
};

static const struct model_entry *find(const char *name)
{
	static const struct model_entry *const lists[] = {model_sections, model_polls};

	for (const struct model_entry *list : lists) {
		for (; list->name; list++) {
			if (!strcmp(list->name, name))
				return list;
		}
	}
	std::cerr << "model: no model " << name << std::endl;
	exit(2);
}

/* True when nothing was found. */
static bool search(const struct model_entry *e, uint64_t iterations, rl::test_params *p)
{
	static std::ostream nowhere(NULL);

	running = e;
	p->iteration_count = iterations;
	p->execution_depth_limit = DEPTH_MAX;
	p->progress_stream = &nowhere;
	if (!verbose)
		p->output_stream = &nowhere;
	return e->threads <= 3 ? rl::simulate<suite<3>>(*p) : rl::simulate<suite<4>>(*p);
}

static int run(const struct model_entry *e, uint64_t iterations)
{
	rl::test_params random, all;
	bool passed = search(e, iterations ? iterations : e->iterations, &random);

	std::cout << e->name << " (" << e->about << "): " << (passed ? "passed " : "FAILED after ")
		  << random.stop_iteration << " random iterations" << std::endl;
	if (!passed || !e->bound)
		return !passed;
	all.search_type = rl::sched_bound;
	all.context_bound = e->bound;
	passed = search(e, 0, &all);
	std::cout << e->name << ": " << (passed ? "passed" : "FAILED after") << " all "
		  << all.stop_iteration << " with up to " << e->bound << " forced switches"
		  << std::endl;
	return !passed;
}

static bool caught(const struct mutant *m, uint64_t iterations)
{
	char names[128], *rest = names, *name;

	strcpy(names, m->models);
	while ((name = strsep(&rest, " "))) {
		rl::test_params p;

		if (search(find(name), iterations, &p))
			continue;
		std::cout << "mutant " << m->name << " (" << m->about << "): caught by " << name
			  << " after " << p.stop_iteration
			  << (p.stop_iteration == 1 ? " iteration, " : " iterations, ")
			  << rl::test_result_str(p.test_result) << std::endl;
		return true;
	}
	return false;
}

static int mutants(uint64_t iterations)
{
	int bad = 0;

	for (int i = 1; i < MUTANTS; i++) {
		const struct mutant *m = &mutant_table[i];
		bool found;

		model_mutant = (enum mutant_id)i;
		found = caught(m, iterations);
		if (!found)
			std::cout << "mutant " << m->name << " (" << m->about
				  << "): " << (*m->kept ? "survives; kept: " : "NOT CAUGHT by ")
				  << (*m->kept ? m->kept : m->models) << std::endl;
		if (found == (*m->kept != 0))
			bad = 1;
	}
	return bad;
}

static int show(const struct model_entry *e, const char *mutant)
{
	rl::test_params p;

	for (int i = 1; i < MUTANTS; i++) {
		if (!strcmp(mutant_table[i].name, mutant))
			model_mutant = (enum mutant_id)i;
	}
	if (model_mutant == MUTANT_NONE) {
		std::cerr << "model: no mutant " << mutant << std::endl;
		return 2;
	}
	verbose = true;
	return search(e, 1000000, &p);
}

static int list(void)
{
	for (const struct model_entry *e = model_sections; e->name; e++)
		std::cout << e->name << "\t" << e->about << std::endl;
	for (const struct model_entry *e = model_polls; e->name; e++)
		std::cout << e->name << "\t" << e->about << std::endl;
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 3 && !strcmp(argv[1], "run"))
		return run(find(argv[2]), argc > 3 ? strtoull(argv[3], NULL, 0) : 0);
	if (argc >= 2 && !strcmp(argv[1], "mutants"))
		return mutants(argc > 2 ? strtoull(argv[2], NULL, 0) : 30000);
	if (argc == 4 && !strcmp(argv[1], "show"))
		return show(find(argv[2]), argv[3]);
	if (argc == 2 && !strcmp(argv[1], "list"))
		return list();
	std::cerr << "usage: model run NAME [ITERATIONS] | mutants [ITERATIONS] | show NAME MUTANT"
		  << " | list" << std::endl;
	return 2;
}
