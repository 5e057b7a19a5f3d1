// expect: compile_error
#include <iostream>
#include <map>
using namespace std;
int map = 5;
int main() { cout << map; }
