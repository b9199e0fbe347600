// libshadowattn from C++: an attention whose output is compared with exact attention, a cache that decodes, a call that another thread cancels,
// and what a mistake looks like. Exit code 0 only if everything is as it should be.
#include <atomic>
#include <cmath>
#include <cstdio>
#include <random>
#include <thread>
#include <vector>

#include "shadowattn.hpp"

namespace {

constexpr std::uint32_t heads = 8, kv_heads = 2, keys = 1024, dim = 64;

std::vector<float> normal(std::size_t count, unsigned seed, float scale) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> distribution(0, scale);
    std::vector<float> numbers(count);
    for (float &x : numbers) {
        x = distribution(generator);
    }
    return numbers;
}

double distance(const std::vector<float> &a, const std::vector<float> &b) {
    double difference = 0, norm = 0;
    for (std::size_t i = 0; i < a.size(); i++) {
        difference += (a[i] - static_cast<double>(b[i])) * (a[i] - static_cast<double>(b[i]));
        norm += static_cast<double>(b[i]) * b[i];
    }
    return std::sqrt(difference / norm);
}

int run() {
    namespace sa = shadowattn;
    const auto q = normal(std::size_t{heads} * keys * dim, 1, 2), k = normal(std::size_t{kv_heads} * keys * dim, 2, 1);
    const auto v = normal(std::size_t{kv_heads} * keys * dim, 3, 1);
    std::vector<float> output(q.size()), exact(q.size()), step(std::size_t{heads} * dim);
    const auto tq = sa::tensor(q.data()), tk = sa::tensor(k.data()), tv = sa::tensor(v.data());

    auto options = sa::attention_options(heads, kv_heads, dim);
    sa::workers workers(2);
    options.workers = workers.get();
    options.keep = 0.5f;
    options.crossover = SA_CROSSOVER_OFF;  // few keys: exact attention might be faster, and the example is about the other way
    sa::attention attention(options);
    options.mode = SA_MODE_DENSE;
    sa::attention dense(options);
    workers.reset();  // the attentions keep the threads

    const sa_stats stats = attention.compute(tq, tk, tv, sa::tensor(output.data()), keys, keys);
    dense.compute(tq, tk, tv, sa::tensor(exact.data()), keys, keys);
    const double prefill = distance(output, exact);
    std::printf("%s: %.1f %% of the keys, distance from exact attention %.4f\n", sa_version(),
        100.0 * static_cast<double>(stats.kept_keys) / static_cast<double>(stats.visible_keys), prefill);

    // The last query again, through a cache: q and its row stride stay what they are.
    sa::cache cache(dense, keys, SA_F32);
    cache.append(tk, tv, keys);
    cache.compute(sa::tensor(q.data() + std::size_t{keys - 1} * dim, SA_F32, std::int64_t{keys} * dim), sa::tensor(step.data()), 1);
    double decode = 0;
    for (std::uint32_t head = 0; head < heads; head++) {
        for (std::uint32_t d = 0; d < dim; d++) {
            decode = std::fmax(decode, std::fabs(step[head * dim + d] - exact[(std::size_t{head} * keys + keys - 1) * dim + d]));
        }
    }
    cache.truncate(10);

    // Another thread ends a loop of calls.
    sa::cancellation stop;
    std::atomic<int> calls{0};
    std::thread other([&] {
        while (calls == 0) {
            std::this_thread::yield();
        }
        stop.request();
    });
    sa_status ended = SA_OK;
    try {
        for (;;) {
            attention.compute(tq, tk, tv, sa::tensor(output.data()), keys, keys, &stop);
            calls++;
        }
    } catch (const sa::error &e) {
        ended = e.status();
    }
    other.join();

    sa_status refused = SA_OK;
    try {
        cache.append(tk, tv, keys);
    } catch (const sa::error &e) {
        refused = e.status();
        std::printf("%s\n", e.what());
    }

    const bool right = prefill < 0.15 && decode < 1e-5 && cache.count() == 10 && ended == SA_ERROR_CANCELLED && refused == SA_ERROR_CAPACITY;
    std::puts(right ? "all right" : "WRONG");
    return right ? 0 : 1;
}

}  // namespace

int main() {
    try {
        return run();
    } catch (const std::exception &e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 1;
    }
}
