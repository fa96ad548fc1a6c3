/* SPDX-License-Identifier: MIT */
/*
 * Exceptions: caught here and elsewhere, thrown on, with things to clean up on the way.
 */
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#define NOINLINE __attribute__((noinline))

static int alive;

struct guard {
	int n;

	explicit guard(int value) : n(value)
	{
		alive += n;
	}
	~guard()
	{
		alive -= n;
	}
};

NOINLINE static int risky(int i)
{
	guard g(i);

	if (i % 5 == 1)
		throw std::runtime_error("one");
	if (i % 5 == 2)
		throw i;
	if (i % 5 == 3)
		throw std::string("three");
	return i * 2;
}

NOINLINE static int again(int i)
{
	guard a(1), b(2);

	try {
		return risky(i);
	} catch (int n) {
		return n + 100;
	} catch (const std::string &) {
		throw std::out_of_range("on");
	}
}

NOINLINE static int outer(int i)
{
	std::vector<std::string> v(3, "text that does not fit in place");

	try {
		guard c(4);

		v.push_back("more");
		return again(i) + static_cast<int>(v.size());
	} catch (const std::logic_error &) {
		return -1;
	} catch (...) {
		if (i == 6)
			throw;
		return -2;
	}
}

int main()
{
	int sum = 0;

	for (int i = 0; i < 7; i++) {
		try {
			sum += outer(i);
		} catch (const std::exception &e) {
			sum += e.what()[0];
		}
	}
	std::printf("%d %d\n", sum, alive);
	return 0;
}
