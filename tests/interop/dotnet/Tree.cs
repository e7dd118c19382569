// What `hubline generate csharp` makes, at work. Compiled with it and run by ../test_generated_csharp.py:
//
//     dotnet exec Tree.dll URL
//
// It writes what it saw, a line each.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Hubs;
using Microsoft.AspNetCore.SignalR.Client;

static class Program
{
    static void Main(string[] arguments)
    {
        Run(arguments[0]).GetAwaiter().GetResult();
    }

    static async Task Run(string url)
    {
        var connection = new HubConnectionBuilder().WithUrl(url).Build();
        var tree = new TreeHub(connection);
        var told = new TaskCompletionSource<string>();  // handlers run beside the answers of calls
        var grown = tree.OnGrown((leaf, count) => { told.TrySetResult(leaf.OwnName + " " + leaf.Kinds.Count + " " + count); });
        tree.OnChoose(leaves => new LeafInput { OwnName = leaves[1].OwnName });
        await connection.StartAsync();

        var page = await tree.GrowAsync(new LeafInput { OwnName = "oak", Kind = "large" });
        Console.WriteLine(await told.Task);
        Console.WriteLine(string.Join(",", page.Items.Select(leaf => leaf.Kind)) + " " + page.ByName["new"].OwnName);
        grown.Dispose();
        Console.WriteLine((await tree.GrowAsync(new LeafInput { OwnName = "elm" }, 1, "other")).ByName["other"].OwnName);
        Console.WriteLine(await tree.ChosenAsync());
        Console.WriteLine(await tree.LongestAsync(new Words("one", "three")));
        var leafs = tree.LeavesAsync(2).GetAsyncEnumerator();
        while (await leafs.MoveNextAsync()) Console.WriteLine(leafs.Current.OwnName);
        var promise = new Promise { X = new object[] { 1, "y" } };
        var answered = await tree.TreeOddAsync(new Odd { NotAName = 1, Default = "x" }, promise);
        Console.WriteLine(answered.X[0] + " " + answered.X[1] + " " + await tree.OnAsync("z"));
        await tree.ConnectionAsync();
        await connection.StopAsync();
        await InRoom(url.Replace("/tree", "/kitchen"));
    }

    static async Task InRoom(string url)
    {
        var connection = new HubConnectionBuilder().WithUrl(url).Build();
        var kitchen = new Kitchen(connection);
        var heard = new TaskCompletionSource<RoomMessage>();
        kitchen.OnRoomMessage((room, message) => { heard.TrySetResult(message); });
        await connection.StartAsync();
        var joined = await kitchen.JoinRoomAsync("r", null, new JoinOptions { Device = "phone" });
        await kitchen.SendToRoomAsync("r", "tea?");
        Console.WriteLine(joined.Members[0].Devices[0].Name + " " + (await heard.Task).Data);
        await connection.StopAsync();
    }
}

sealed class Words : IAsyncEnumerable<string>, IAsyncEnumerator<string>
{
    private readonly Queue<string> left;

    public Words(params string[] words) { left = new Queue<string>(words); }

    public string Current { get; private set; }

    public IAsyncEnumerator<string> GetAsyncEnumerator(CancellationToken cancellationToken) { return this; }

    public ValueTask<bool> MoveNextAsync()
    {
        var found = left.Count > 0;
        if (found) Current = left.Dequeue();
        return new ValueTask<bool>(found);
    }

    public ValueTask DisposeAsync() { return default(ValueTask); }
}
