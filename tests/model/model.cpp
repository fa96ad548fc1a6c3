/* SPDX-License-Identifier: MIT */
/*
 * The shared half of all models: see model.hpp.
 */
#include "model.hpp"

struct model_state model;
enum mutant_id model_mutant = MUTANT_NONE;

static struct sonde_reader *own_record(void)
{
	return model.self[rl::thread_index()];
}

/* As in src/sync/slot.c for a thread that has a record. */
extern "C" void sonde_reader_enter(const struct sonde_domain *d)
{
	grace_enter(&own_record()->word[d->index], model.slow);
}

extern "C" void sonde_reader_leave(const struct sonde_domain *d)
{
	grace_leave(&own_record()->word[d->index]);
}

model_base::model_base(unsigned int first_reader, unsigned int readers, bool slow)
{
	numbers.store(0, rl::mo_relaxed, $);
	flag.store(0, rl::mo_relaxed, $);
	for (unsigned int d = 0; d < MODEL_DOMAINS; d++) {
		domain[d].index = d;
		poll[d].number.store(0, rl::mo_relaxed, $);
		poll[d].done.store(0, rl::mo_relaxed, $);
		poll_lock[d].store(0, rl::mo_relaxed, $);
	}
	for (unsigned int i = 0; i < MODEL_THREADS; i++) {
		bool reads = i >= first_reader && i < first_reader + readers;

		for (unsigned int d = 0; d < MODEL_DOMAINS; d++) {
			record[i].word[d].store(0, rl::mo_relaxed, $);
			met[i][d]($) = 0;
		}
		model.self[i] = reads ? &record[i] : NULL;
		model.signals[i] = 0;
	}
	model.slow = slow;
	model.arg = this;
}

static void fence(void)
{
	if (model.slow)
		model_fence($);
	else
		model_membarrier();
}

/* The steps of poll_begin() in src/sync/wait.c, in its order: adapt.py compares. */
bool model_base::poll_begin(void *domain)
{
	unsigned int d = ((struct sonde_domain *)domain)->index;
	model_base *m = (model_base *)model.arg;

	if (!model_is(MUTANT_B2_POLL))
		fence();
	for (unsigned int i = 0; i < MODEL_THREADS; i++) {
		if (model.self[i])
			m->met[i][d]($) = grace_look(&model.self[i]->word[d]);
	}
	return true;
}

/* Likewise poll_over(). */
bool model_base::poll_over(void *domain)
{
	unsigned int d = ((struct sonde_domain *)domain)->index;
	model_base *m = (model_base *)model.arg;

	for (unsigned int i = 0; i < MODEL_THREADS; i++) {
		uint64_t seen = m->met[i][d]($);

		if (!seen)
			continue;
		if (!grace_left(&model.self[i]->word[d], seen))
			return false;
		m->met[i][d]($) = 0;
	}
	return true;
}

/* Likewise sonde_domains_wait(). */
void model_base::wait(unsigned int first, unsigned int domains)
{
	uint64_t n = grace_number(&numbers), seen[MODEL_THREADS][MODEL_DOMAINS] = {};

	if (!model_is(MUTANT_B2_WAIT))
		fence();
	for (unsigned int i = 0; i < MODEL_THREADS; i++) {
		for (unsigned int d = first; model.self[i] && d < first + domains; d++)
			seen[i][d] = grace_look(&model.self[i]->word[d]);
	}
	looked();
	for (unsigned int i = 0; i < MODEL_THREADS; i++) {
		for (unsigned int d = first; d < first + domains; d++) {
			while (seen[i][d] && !grace_left(&model.self[i]->word[d], seen[i][d]))
				rl::yield(1, $);
		}
	}
	for (unsigned int d = first; d < first + domains; d++)
		grace_finish(&poll[d].done, n);
}

bool model_base::poll_once(unsigned int d, uint64_t cookie)
{
	static const struct grace_ops ops = {poll_begin, poll_over};

	return grace_poll(&poll[d], &poll_lock[d], 1, &numbers, cookie, &ops, &domain[d]);
}

void model_base::poll_until_over(unsigned int d, uint64_t cookie)
{
	while (!poll_once(d, cookie))
		rl::yield(1, $);
}

/* The plain use: enter, find, look, leave. */
void model_base::section(unsigned int d, struct model_object *o)
{
	sonde_domain_enter(&domain[d]);
	if (o->find())
		o->use();
	sonde_domain_leave(&domain[d]);
}

void model_base::interrupt(unsigned int thread, unsigned int signals, void (*handler)(void *arg))
{
	model.signals[thread] = signals;
	model.handler = handler;
}
