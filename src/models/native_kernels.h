// Products, norms and attention of a transformer, on vectors of any width, and the threads that share them.

#pragma once

#include "native_vectors.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <functional>
#include <numeric>
#include <thread>
#include <vector>

namespace {

// A tile of a product: its sums, its weights and a factor fill the registers, 24 + 4 + 1 of 32 or 12 + 2 + 1 of 16.
constexpr int ROWS = 6, VECTORS = REGISTERS == 32 ? 4 : 2;
constexpr int COLUMNS = VECTORS * LANES;  // outputs of a tile

template <class Work>
void together(int64_t threads, Work work) {  // work() on each of them
    std::vector<std::thread> others;
    for (int64_t i = 1; i < threads; i++) others.emplace_back(work);
    work();
    for (auto& other : others) other.join();
}

template <class Work>
void each(int64_t threads, int64_t count, Work work) {  // work(i) for i < count, shared among threads
    std::atomic<int64_t> next{0};
    together(std::min(threads, count), [&] {
        for (int64_t i; (i = next++) < count;) work(i);
    });
}

std::vector<int64_t> longest_first(const int64_t* lengths, int64_t count) {  // so that no thread is left with a long one
    std::vector<int64_t> order(count);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return lengths[a] > lengths[b]; });
    return order;
}

template <class T>
void round_all(const float* from, typename T::Item* to, int count) {
    for (int i = 0; i < count; i++) to[i] = T::item(from[i]);
}

struct Pair {
    const float* weight;  // (outputs, inputs); of a norm: (D,)
    const float* bias;
};

using Packing = std::function<void()>;  // of one map

// A linear map: weights in the order in which `multiply` reads them, [block of COLUMNS][input group][column][group].
template <class T>
struct Linear {
    int steps = 0, blocks = 0;
    std::vector<typename T::Item> items;
    std::vector<float> bias;

    // Several pairs stand one below the other: outputs[i] rows of pairs[i], times factors[i].
    void pack(std::initializer_list<Pair> pairs, std::initializer_list<int> outputs, int inputs,
              std::initializer_list<float> factors) {
        int total = 0;
        for (int count : outputs) total += count;
        steps = up(inputs, T::group) / T::group;
        blocks = up(total, COLUMNS) / COLUMNS;
        items.assign(static_cast<size_t>(blocks) * steps * COLUMNS * T::group, 0);
        bias.assign(blocks * COLUMNS, 0.0f);
        int column = 0;
        for (size_t part = 0; part < pairs.size(); part++) {
            const Pair& pair = pairs.begin()[part];
            const float factor = factors.begin()[part];
            for (int row = 0; row < outputs.begin()[part]; row++, column++) {
                if (pair.bias) bias[column] = pair.bias[row] * factor;
                const float* weights = pair.weight + static_cast<size_t>(row) * inputs;
                auto* to = &items[(static_cast<size_t>(column / COLUMNS) * steps * COLUMNS + column % COLUMNS) * T::group];
                for (int i = 0; i < inputs; i++)
                    to[static_cast<size_t>(i / T::group) * COLUMNS * T::group + i % T::group] =
                        T::item(weights[i] * factor);
            }
        }
    }
};

template <class T, int R>
void tile(const typename T::Item* from, int from_stride, int steps, const typename T::Item* weights, const float* bias,
          float* to, int to_stride, bool add) {
    Floats sums[R][VECTORS];
    for (int r = 0; r < R; r++)
        for (int c = 0; c < VECTORS; c++) {
            sums[r][c] = load(bias + c * LANES);
            if (add) sums[r][c] += load(to + r * to_stride + c * LANES);
        }
    for (int step = 0; step < steps; step++, weights += COLUMNS * T::group)
        for (int r = 0; r < R; r++)
            for (int c = 0; c < VECTORS; c++)
                sums[r][c] = T::dot(sums[r][c], from + r * from_stride + step * T::group, weights + c * LANES * T::group);
    for (int r = 0; r < R; r++)
        for (int c = 0; c < VECTORS; c++) store(to + r * to_stride + c * LANES, sums[r][c]);
}

// Rows of `to` become, or with `add` grow by, the map of rows of `from`; both strides hold the map's padded sizes.
template <class T>
void multiply(const Linear<T>& map, const typename T::Item* from, int from_stride, int rows, float* to, int to_stride,
              bool add = false) {
    constexpr decltype(&tile<T, 1>) tiles[] = {tile<T, 1>, tile<T, 2>, tile<T, 3>, tile<T, 4>, tile<T, 5>, tile<T, 6>};
    for (int block = 0; block < map.blocks; block++) {
        const auto* weights = &map.items[static_cast<size_t>(block) * map.steps * COLUMNS * T::group];
        for (int row = 0; row < rows; row += ROWS)
            tiles[std::min(ROWS, rows - row) - 1](from + static_cast<size_t>(row) * from_stride, from_stride, map.steps,
                                                 weights, &map.bias[block * COLUMNS],
                                                 to + static_cast<size_t>(row) * to_stride + block * COLUMNS, to_stride,
                                                 add);
    }
}

void normalise(const float* from, Pair norm, int width, float* to) {
    Floats sum{}, squares{};
    for (int i = 0; i < width; i += LANES) sum += load(from + i, width - i);
    const float mean = sum_of(sum) / width;
    for (int i = 0; i < width; i += LANES) {
        const Floats far = load(from + i, width - i, mean) - all(mean);
        squares = fused(far, far, squares);
    }
    const Floats scale = all(1.0f / std::sqrt(sum_of(squares) / width + 1e-5f));
    for (int i = 0; i < width; i += LANES) {
        const Floats unit = (load(from + i, width - i) - all(mean)) * scale;
        store(to + i, fused(unit, load(norm.weight + i, width - i), load(norm.bias + i, width - i)), width - i);
    }
}

float greatest(const float* scores, int count) {
    Floats most = all(-INFINITY);
    for (int i = 0; i < count; i += LANES) most = greater(most, load(scores + i, count - i, -INFINITY));
    return greatest_of(most);
}

// Scores (padded to LANES) become exponentials of their distance to the greatest; returns their sum.
float soften(float* scores, int count) {
    for (int i = count; i < up(count, LANES); i++) scores[i] = -INFINITY;
    Floats most = all(-INFINITY), sum{};
    for (int i = 0; i < count; i += LANES) most = greater(most, load(scores + i));
    const Floats greatest = all(greatest_of(most));
    for (int i = 0; i < count; i += LANES) {
        const Floats one = exponential(load(scores + i) - greatest);
        store(scores + i, one);
        sum += one;
    }
    return sum_of(sum);
}

// Keys and values of one row or source, of one layer, in the order in which `attend` reads them:
// keys [head][block of LANES positions][group of d][position][group], values [head][group of positions][d][group].
template <class T>
struct Memory {
    using Item = typename T::Item;
    int heads, depth, room;  // d, positions
    Item *keys, *values;

    static int steps(int depth) { return up(depth, T::group) / T::group; }
    static size_t key_items(int depth, int room) {
        return static_cast<size_t>(up(room, LANES)) * steps(depth) * T::group;
    }
    static size_t value_items(int depth, int room) {
        return static_cast<size_t>(up(room, T::group)) * up(depth, LANES);
    }
    static size_t items(int heads, int depth, int room) {
        return heads * (key_items(depth, room) + value_items(depth, room));
    }

    Memory(int heads, int depth, int room, Item* items)
        : heads(heads), depth(depth), room(room), keys(items), values(items + heads * key_items(depth, room)) {}

    // Positions are put in turn: 0, 1, 2, ...
    void put(int at, const float* key, const float* value) {
        for (int head = 0; head < heads; head++) {
            Item* to = keys + head * key_items(depth, room) +
                       (static_cast<size_t>(at / LANES) * steps(depth) * LANES + at % LANES) * T::group;
            for (int i = 0; i < up(depth, T::group); i++)
                to[static_cast<size_t>(i / T::group) * LANES * T::group + i % T::group] =
                    i < depth ? T::item(*key++) : Item(0);
            to = values + head * value_items(depth, room) +
                 static_cast<size_t>(at / T::group) * T::group * up(depth, LANES);
            for (int i = 0; i < up(depth, LANES); i++) {
                Item* place = to + i * T::group;
                if (at % T::group == 0) std::fill(place, place + T::group, Item(0));  // a weight of 0 on what is not there
                place[at % T::group] = i < depth ? T::item(*value++) : Item(0);
            }
        }
    }

    // Takes over the first `count` positions of another row.
    void copy(const Memory& from, int count) {
        for (int head = 0; head < heads; head++) {
            const size_t key = head * key_items(depth, room), value = head * value_items(depth, room);
            std::copy_n(from.keys + key, key_items(depth, count), keys + key);
            std::copy_n(from.values + value, value_items(depth, count), values + value);
        }
    }
};

// Products of the query with the keys of N blocks of LANES positions; several sums hide the latency.
template <class T, int N>
void score(const typename T::Item* query, const typename T::Item* keys, int steps, float* to) {
    constexpr int P = N >= 4 ? 1 : 4 / N;
    const int block = steps * LANES * T::group;
    Floats sums[P][N];
    for (auto& some : sums)
        for (auto& sum : some) sum = Floats{};
    int step = 0;
    for (; step + P <= steps; step += P)
        for (int p = 0; p < P; p++)
            for (int n = 0; n < N; n++)
                sums[p][n] = T::dot(sums[p][n], query + (step + p) * T::group,
                                    keys + n * block + (step + p) * LANES * T::group);
    for (; step < steps; step++)
        for (int n = 0; n < N; n++)
            sums[0][n] = T::dot(sums[0][n], query + step * T::group, keys + n * block + step * LANES * T::group);
    for (int n = 0; n < N; n++) {
        for (int p = 1; p < P; p++) sums[0][n] += sums[p][n];
        store(to + n * LANES, sums[0][n]);
    }
}

// Adds C chunks of LANES channels of the values, each position's times its weight.
template <class T, int C>
void mix(const typename T::Item* weights, const typename T::Item* values, int stride, int groups, float* to) {
    constexpr int P = C < 4 ? 8 / C : 2 * C < REGISTERS ? 2 : 1;
    Floats sums[P][C];
    for (auto& some : sums)
        for (auto& sum : some) sum = Floats{};
    int at = 0;
    for (; at + P <= groups; at += P)
        for (int p = 0; p < P; p++)
            for (int c = 0; c < C; c++)
                sums[p][c] = T::dot(sums[p][c], weights + (at + p) * T::group,
                                    values + static_cast<size_t>(at + p) * stride + c * LANES * T::group);
    for (; at < groups; at++)
        for (int c = 0; c < C; c++)
            sums[0][c] = T::dot(sums[0][c], weights + at * T::group,
                                values + static_cast<size_t>(at) * stride + c * LANES * T::group);
    for (int c = 0; c < C; c++) {
        for (int p = 1; p < P; p++) sums[0][c] += sums[p][c];
        store(to + c * LANES, sums[0][c]);
    }
}

template <class T>
struct Scratch {
    std::vector<float> scores, mixed;
    std::vector<typename T::Item> query, weights;
    Scratch(int room, int depth)
        : scores(up(room, 4 * LANES)), mixed(up(depth, LANES)), query(up(depth, T::group), 0),
          weights(up(room, 4 * LANES)) {}
};

// softmax(query . keys) . values over the first `count` positions; queries are scaled already. to: (D,).
template <class T>
void attend(const float* query, const Memory<T>& memory, int count, Scratch<T>& scratch, typename T::Item* to) {
    const int steps = Memory<T>::steps(memory.depth), blocks = up(count, LANES) / LANES;
    const int groups = up(count, T::group) / T::group, depth = up(memory.depth, LANES);
    const size_t block_items = static_cast<size_t>(steps) * LANES * T::group;
    for (int head = 0; head < memory.heads; head++, query += memory.depth, to += memory.depth) {
        const auto* keys = memory.keys + head * Memory<T>::key_items(memory.depth, memory.room);
        const auto* values = memory.values + head * Memory<T>::value_items(memory.depth, memory.room);
        round_all<T>(query, scratch.query.data(), memory.depth);
        const auto* left = keys;
        float* scores = scratch.scores.data();
        for (int block = 0; block < blocks;) {
            const int some = blocks - block >= 8 ? 8 : blocks - block >= 4 ? 4 : blocks - block >= 2 ? 2 : 1;
            (some == 8 ? score<T, 8> : some == 4 ? score<T, 4> : some == 2 ? score<T, 2> : score<T, 1>)(
                scratch.query.data(), left, steps, scores);
            block += some, left += some * block_items, scores += some * LANES;
        }
        const float whole = 1.0f / soften(scratch.scores.data(), count);  // what is past `count` is 0 now
        round_all<T>(scratch.scores.data(), scratch.weights.data(), up(count, LANES));
        for (int from = 0; from < depth;) {
            const auto* chunk = values + from * T::group;
            const int chunks = (depth - from) / LANES, stride = depth * T::group;
            float* mixed = scratch.mixed.data() + from;
            if (chunks >= 8) mix<T, 8>(scratch.weights.data(), chunk, stride, groups, mixed), from += 8 * LANES;
            else if (chunks >= 4) mix<T, 4>(scratch.weights.data(), chunk, stride, groups, mixed), from += 4 * LANES;
            else if (chunks >= 2) mix<T, 2>(scratch.weights.data(), chunk, stride, groups, mixed), from += 2 * LANES;
            else mix<T, 1>(scratch.weights.data(), chunk, stride, groups, mixed), from += LANES;
        }
        for (int i = 0; i < memory.depth; i++) to[i] = T::item(scratch.mixed[i] * whole);
    }
}

}  // namespace
